/* Lets User Mode Linux 6.1 run on CPUs with more extended state than it has room for (AMX).
 *
 * UML keeps 2,696 bytes of it per process (HOST_FP_SIZE in arch/x86/um/user-offsets.c). On a CPU with
 * AMX the host has 11,008, PTRACE_SETREGSET takes all of it or fails, and the guest panics in
 * put_fp_registers as its first process starts. This library, preloaded, reads and writes all of it
 * and gives UML the part that it knows. The rest is AMX's tiles, which no process may use without
 * asking the host's kernel first (arch_prctl ARCH_REQ_XCOMP_PERM): a guest's process never can.
 * Making UML fall back to PTRACE_SETFPREGS instead does not do: AVX registers are then lost at every
 * page fault, and glibc's string functions with them.
 *
 * Built without libc's headers, so that gcc alone suffices.
 */
enum { PEEKTEXT = 1, PEEKUSER = 3, GETREGSET = 0x4204, SETREGSET = 0x4205, XSTATE = 0x202 };
enum { PTRACE_NR = 101, STATE_BITS = 512, TILES = 3 << 17, ROOM = 32768 };

struct region { char *base; unsigned long length; };

extern int *__errno_location(void);

/* Not on the stack: UML's kernel stacks are small. It has one CPU, so one buffer will do. */
static char whole[ROOM] __attribute__((aligned(64)));
static unsigned long size;

static long call(long request, long pid, void *where, void *data)
{
    long result;
    register void *fourth __asm__("r10") = data;
    __asm__ volatile("syscall" : "=a"(result)
        : "a"(PTRACE_NR), "D"(request), "S"(pid), "d"(where), "r"(fourth) : "rcx", "r11", "memory");
    return result;
}

static void copy(char *to, const char *from, unsigned long length)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(length) : : "memory");
}

static long get(long pid, struct region *known)
{
    struct region all = { whole, ROOM };
    long result = call(GETREGSET, pid, (void *)XSTATE, &all);
    if (result < 0)
        return result;
    size = all.length;
    if (known->length > size)
        known->length = size;
    copy(known->base, whole, known->length);
    return 0;
}

/* UML reads before it ever writes, so `size` is known; what lies past UML's part stays as read. */
static long set(long pid, struct region *known)
{
    struct region all = { whole, size };
    copy(whole, known->base, known->length < size ? known->length : size);
    *(unsigned long *)(whole + STATE_BITS) &= ~(unsigned long)TILES;
    return call(SETREGSET, pid, (void *)XSTATE, &all);
}

long ptrace(long request, long pid, void *where, void *data)
{
    int peeks = request >= PEEKTEXT && request <= PEEKUSER;
    long word = 0, result;
    if (request == GETREGSET && (long)where == XSTATE)
        result = get(pid, data);
    else if (request == SETREGSET && (long)where == XSTATE)
        result = set(pid, data);
    else
        result = call(request, pid, where, peeks ? &word : data);
    if (result < 0) {
        *__errno_location() = (int)-result;
        return -1;
    }
    if (peeks)
        *__errno_location() = 0;
    return peeks ? word : result;
}
