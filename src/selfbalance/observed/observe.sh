# One look at a node: prints sections, changes nothing. The parser is parse.py, beside this file.
LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
umask 077
section() { printf '##%s\n' "$1"; }

section format
echo 1

section system
cat /proc/sys/kernel/hostname /proc/sys/kernel/random/boot_id /proc/sys/kernel/osrelease
grep -E '^(ID|VERSION_ID|VERSION_CODENAME)=' /etc/os-release

section packages
dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\n' {{ packages }} 2>/dev/null

section files
sha256sum {{ files }} 2>/dev/null
stat -c '=%a %u %g %n' {{ files }} 2>/dev/null

section sysctls
grep -H '' {{ sysctls }} 2>/dev/null

section modules
for module in {{ modules }}; do [ -d "/sys/module/$module" ] && echo "$module"; done

section addresses
ip -o addr show || echo '!ip addr failed'

section links
ip -o link show dev {{ interface }} || echo '!no interface {{ interface }}'

section units
systemctl show -p Id,LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload {{ units }} ||
    echo '!systemctl failed'

# ipvsadm loads ip_vs where it is not loaded: a look changes nothing, so it is not asked then.
section table
if [ -e /proc/net/ip_vs ]; then ipvsadm --list --numeric || echo '!ipvsadm failed'; fi

section sync
if [ -e /proc/net/ip_vs ]; then ipvsadm --list --daemon || echo '!ipvsadm failed'; fi

section demotion
cat {{ demotion }} 2>/dev/null

section listening
cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk '$4 == "0A" { print $2 }'

# keepalived's own view. The old dump goes first: only one written now is evidence.
section keepalived
pid=$(cat /run/keepalived.pid 2>/dev/null)
dump={{ dumps }}/keepalived.json
if [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; then
    rm -f "$dump"
    kill -s "$(keepalived --signum=JSON)" "$pid" || echo '!keepalived takes no JSON signal'
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        # Written in place: it is whole when it ends with its closing bracket.
        case $(tail -c 3 "$dump" 2>/dev/null) in *]*) break ;; esac
        sleep 0.05
    done
    if [ -s "$dump" ]; then
        sed 's/"auth_data": *"[^"]*"/"auth_data": "********"/g' "$dump"
        rm -f "$dump"
    else
        echo '!keepalived wrote no dump within 1 s'
    fi
fi

# Who answers for the VIPs, asked by raw frames: no cache of anybody learns from it.
section claims
perl - {{ interface }} {{ claims }} <<'PERL' || echo '!the question who holds the VIP could not be sent'
{{ perl }}
PERL

section end
