# One look at a node: prints sections, changes nothing. The parser is parse.py, beside this file.
# Starting a program costs more than what it does here, so the shell itself reads what is one line,
# and what takes time by waiting goes on beside the rest: keepalived's dump and the question of claims.
LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
umask 077
section() { printf '##%s\n' "$1"; }
# Read the first line of a file into $line; fail where there is none. Not for numbers in /proc/sys: the
# shell reads byte by byte, and of a number there the kernel gives the first byte only.
first() {
    line=
    IFS= read -r line <"$1" || [ -n "$line" ]
} 2>/dev/null

look() {
    section format
    echo 1

    # keepalived's own view, asked for here and read below. The old dump is emptied first: only one
    # written now is evidence.
    dump={{ dumps }}/keepalived.json
    refused=
    first /run/keepalived.pid && pid=$line || pid=
    if [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; then
{%- if vrrp %}
        if [ -d {{ dumps }} ]; then
            [ ! -s "$dump" ] || : >"$dump"
            # Its guard has asked for the number already: that takes longer than all else here.
            [ {{ json_signal }} -nt {{ unpacked }} ] && first {{ json_signal }} && signal=$line ||
                signal=$(keepalived --signum=JSON)
            kill -s "$signal" "$pid" || refused='!keepalived takes no JSON signal'
        else
            # It would write into /tmp, for which nobody asked.
            refused='!keepalived was not started with our drop-in, so it writes no dump for us'
        fi
{%- else %}
        : # It has no VRRP instance here, and nothing to tell of one.
{%- endif %}
    else
        pid=
    fi

    section system
    for file in hostname random/boot_id osrelease; do first "/proc/sys/kernel/$file" && echo "$line"; done
    while IFS= read -r line; do
        case $line in ID=* | VERSION_ID=* | VERSION_CODENAME=*) echo "$line" ;; esac
    done </etc/os-release

    section packages
    dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\n' {{ packages }} 2>/dev/null

    section files
    sha256sum {{ files }} 2>/dev/null
    stat -c '=%a %u %g %n' {{ files }} 2>/dev/null

    section sysctls
    grep -H '' {{ sysctls }} 2>/dev/null

    # A module is loaded, or modprobe says whether this kernel has it; -n loads nothing.
    section modules
    command -v modprobe >/dev/null || echo '!no modprobe'
    for module in {{ modules }}; do
        if [ -d "/sys/module/$module" ]; then
            echo "$module"
        else
            modprobe -n -q "$module" || echo "-$module"
        fi
    done

    section facts
    first /sys/devices/system/cpu/online && echo "$line" || echo '!no list of CPUs'
    first /proc/meminfo && echo "$line"

    section recorded
    [ ! -e {{ facts }} ] || while IFS= read -r line; do echo "$line"; done <{{ facts }}

    section addresses
    if [ -n "$addresses" ]; then printf '%s\n' "$addresses"; else echo '!ip addr failed'; fi

    section links
    ip -o link show dev {{ interface }} || echo '!no interface {{ interface }}'
{%- if unwrapping %}
    for each in {{ unwrapping }}; do ip -o link show dev "$each" up 2>/dev/null; done
{%- endif %}

    # Only a whole filter counts: from a VIP, a reset without ACK (tcp_flags 0x4/0x14), dropped; or an
    # answered SYN (0x12/0x12), the segment size in its first option rewritten.
    section resets
    tc filter show dev {{ interface }} egress 2>/dev/null | while read -r key value rest; do
        case "$key $value $rest" in
        filter*) vip='' reset='' opening='' ;;
        src_ip*) vip=$value ;;
        tcp_flags*4/*14*) reset=$value ;;
        tcp_flags*12/*12*) opening=$value ;;
        action*drop) [ -z "$vip" ] || [ -z "$reset" ] || echo "$vip" ;;
        key*' at 40: val '*' mask ffff0000' | key*' at 60: val '*' mask ffff0000')
            size=${rest#*val }
            [ -z "$vip" ] || [ -z "$opening" ] || echo "$vip $((0x${size%% *}))"
            ;;
        esac
    done

    section marks
    [ ! -x {{ marks }} ] || {{ marks }} show || echo '!what this node marks could not be asked'

    section units
    systemctl show -p Id,LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload {{ units }} ||
        echo '!systemctl failed'

    # ipvsadm loads ip_vs where it is not loaded: a look changes nothing, so it is not asked then.
    section table
    if [ -e /proc/net/ip_vs ]; then ipvsadm --list --numeric || echo '!ipvsadm failed'; fi

    # What keepalived fills where it has a table of its own, in a network namespace.
    section kept
{%- if apart %}
    if [ -e /run/netns/{{ namespace }} ]; then
        ip netns exec {{ namespace }} ipvsadm --list --numeric || echo '!ipvsadm failed'
    fi
{%- endif %}

    section sync
    if [ -e /proc/net/ip_vs ]; then ipvsadm --list --daemon || echo '!ipvsadm failed'; fi

    section demotion
    first {{ demotion }} && echo "$line"

    # What stands in the files of drained nodes; the first number is keepalived's, the rest for us. A node
    # that is described no more may have one.
    section drained
    date +%s || echo '!no clock'
    for file in {{ drained }}-*; do
        case $file in *.new) continue ;; esac
        if first "$file"; then printf '%s\n' "${file#{{ drained }}-} $line"; fi
    done

    section upgrade
    if first {{ upgrade }}; then echo "$line"; fi

    # What VRRP peers have to agree on, in the configuration's second line; whether a change goes on.
    section change
    if [ -r {{ config }} ]; then
        { IFS= read -r line && IFS= read -r line; } <{{ config }}
        case $line in '# VRRP peers have to agree: '*) echo "dialect ${line##* }" ;; esac
    fi
    [ ! -d {{ kept }}/before ] || echo changing

    # And who is served here: connections that still have, or may have, something to send.
    section listening
    [ -e /proc/net/tcp6 ] && tcp6=/proc/net/tcp6 || tcp6=
    awk '$4 == "0A" { print $2 }
        $4 ~ /^(01|04|08|09|0B)$/ && $2 ~ /:({{ ports }})$/ { count[$2]++; all++ }
        END { print "##sessions"; print all + 0; for (each in count) print each, count[each] }
        ' /proc/net/tcp $tcp6 || { section sessions; echo '!connections could not be counted'; }

{%- if volumes %}

    # What this node's own gluster says without a lock: the peers as it sees them, the volumes' settings.
    # To start is nine tenths of what gluster does here, so both are asked in one session; and clients go first.
    said=$(printf '%s\n' 'peer status' 'volume info' | timeout 15 nice gluster --mode=script --xml 2>/dev/null)
    peers=${said%%</cliOutput>*}
    settings=${said#*</cliOutput>}
    section pool
    case $said in
    *'</cliOutput>'*) printf '%s\n' "$peers</cliOutput>" ;;
    *) echo '!gluster does not tell its peers; does glusterd run?' ;;
    esac
    section volumes
    case $settings in
    *'</cliOutput>'*) printf '%s\n' "${settings#?}" ;;
    *) echo '!gluster does not tell its volumes; does glusterd run?' ;;
    esac

    # Lines of "VOLUME KEY VALUE...". Of the folder that is to hold a copy: is it there, does gluster know it,
    # is it on the root file system, how much fits there (stat(1), -f).
    section copies
    root=$(stat -c %d /)
    while read -r volume brick mount; do
        if [ "$brick" != - ]; then
            there=$brick
            while [ ! -d "$there" ]; do there=${there%/*}; there=${there:-/}; done
            state=gone
            [ ! -d "$brick" ] || state=bare
            getfattr -n trusted.glusterfs.volume-id "$brick" >/dev/null 2>&1 && state=marked
            [ "$(stat -c %d "$there")" = "$root" ] && disk=root || disk=own
            echo "$volume brick $state $disk $(stat -f -c '%S %b %a' "$there")"
        fi

        # Is it mounted, and can something be written to it and read again? Whatever hangs is killed.
        kind=$(awk -v at="$mount" '$2 == at { kind = $3 } END { print kind }' /proc/self/mounts)
        if [ "$kind" != fuse.glusterfs ]; then
            echo "$volume mount ${kind:-none}"
            continue
        fi
        said=$(timeout -s KILL {{ canary_s }} sh -c 'file=$1/.selfbalance-$2-$$
            echo "$$ canary" >"$file" && read -r got <"$file" && rm -f "$file" && [ "$got" = "$$ canary" ]
            ' sh "$mount" {{ name }} 2>&1 >/dev/null)
        case $? in
        0) echo "$volume mount works" ;;
        137) echo "$volume mount fails does not answer within {{ canary_s }} s" ;;
        *) echo "$volume mount fails ${said##*: }" ;;
        esac
    done <<'VOLUMES'
{%- for each in volumes %}
{{ each.name }} {{ each.brick or "-" }} {{ each.mount }}
{%- endfor %}
VOLUMES
    section op_version
    sed -n 's/^operating-version=//p' {{ glusterd }}/glusterd.info 2>/dev/null
{%- endif %}

    # Whether this node is being taken over, and what of the old design is still in its place. Then who
    # wrote its configuration and, of another's, what its notify scripts do to the IPVS table. Of what is
    # not asked for, only the first word of a line leaves the node: there are passwords.
    section founding
    if first {{ adopting }}; then echo "adopting $line"; fi
    if [ -n "$line" ] && [ -r {{ adopted }}/files ]; then
        while IFS= read -r file; do
            case $file in
            {{ config }}) ;;
            *.conf) ! grep -qs {{ taken_over }} "$file" || echo "left $file" ;;
            *) [ ! -e "$file" ] || echo "left $file" ;;
            esac
        done <{{ adopted }}/files
    fi
    line=
    [ ! -s {{ config }} ] || first {{ config }} || echo '!keepalived.conf cannot be read'
    case $line in
    '{{ written_by }}'*) echo by selfbalance ;;
    *)
        if [ -s {{ config }} ]; then
            echo by another
            awk '
                { sub(/(^|[[:space:]])[#!].*/, "") }
                $1 ~ /^(vrrp_(instance|version)|virtual_(server.*|router_id)|real_server|interface|priority)$/ ||
                $1 ~ /^(advert_int|version|auth_type|lb_.*|lvs_(sched|method)|protocol|notify.*|include.*)$/ {
                    print "conf " $0
                    next
                }
                NF {
                    name = $1
                    braces = substr($0, index($0, name) + length(name))
                    gsub(/["'"'"']/, "", name)
                    gsub(/[^{}]/, " ", braces)
                    print "conf " name braces
                }' {{ config }} || echo '!keepalived.conf cannot be read'
            scripts=$(sed -n "s/^[[:space:]]*notify[_a-z]*[[:space:]]*[\"']*\([^\"' ]*\).*/\1/p" {{ config }} | sort -u)
            for script in $scripts; do
                echo "script $script"
                [ ! -r "$script" ] || awk -v at="$script" '/^[^#]*ipvsadm/ { print "script " at " " $0 }' "$script"
            done
            # shellcheck disable=SC2086 # a word each
            [ -z "$scripts" ] || cat $scripts 2>/dev/null |
                sed -n 's/^[^#]*ipvsadm.*[<>][[:space:]]*"\{0,1\}\(\/[^ ";]*\).*/\1/p' | sort -u |
                while read -r file; do [ ! -f "$file" ] || echo "snapshot $file"; done
            for file in /etc/sysctl.conf /etc/sysctl.d/*.conf; do
                [ -f "$file" ] && [ "$file" != {{ own_sysctls }} ] && grep -qs {{ taken_over }} "$file" &&
                    echo "sysctl $(readlink -f "$file")"
            done | sort -u
        else
            echo by nobody
        fi
        ;;
    esac

    section drop_in
    if [ -n "$pid" ]; then
        if [ {{ drop_in }} -nt /run/keepalived.pid ]; then echo unread; else echo read; fi
    fi

    section keepalived
{%- if vrrp %}
    if [ -n "$pid" ]; then
        for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
            [ -z "$refused" ] || break
            # Written in place: it is whole when it ends with its closing bracket.
            dumped=
            [ -s "$dump" ] && dumped=$(sed 's/"auth_data": *"[^"]*"/"auth_data": "********"/g' "$dump")
            case $dumped in *]) break ;; esac
            sleep 0.05
        done
        if [ -n "$refused" ]; then echo "$refused"; fi
        [ ! -s "$dump" ] || : >"$dump"
        printf '%s\n' "${dumped:-!keepalived wrote no dump within 1 s}"
    fi
{%- endif %}

    section claims
}

# Perl needs them, too.
addresses=$(ip -o addr show)
export addresses

# Who answers for the VIPs, asked by raw frames: no cache of anybody learns from it. It waits in the
# pipe until the look is done.
{
    perl - {{ interface }} {{ claims }} <<'PERL' || echo '!the question who holds the VIP could not be sent'
{{ perl }}
PERL
} | {
    exec 3<&0 </dev/null
    look
    cat <&3
    section end
}
