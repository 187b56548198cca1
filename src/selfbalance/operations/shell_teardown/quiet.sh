# Nothing of ours runs, balances, holds a VIP or filters packets any more. keepalived hands over by itself,
# should it be MASTER again.
set -u
for unit in keepalived.service selfbalance-watch.service selfbalance-vip.service; do
    systemctl stop "$unit" 2>/dev/null || ! systemctl -q is-active "$unit" || {
        echo "$unit does not stop: systemctl status $unit" >&2
        exit 1
    }
    systemctl -q disable "$unit" 2>/dev/null || true
done
[ ! -e {{ namespace }} ] || ip netns delete {{ namespace_name }} || exit 1

if [ -e /proc/net/ip_vs ] && command -v ipvsadm >/dev/null; then
    ipvsadm --clear || exit 1
    timeout 2 ipvsadm --stop-daemon master 2>/dev/null
    timeout 2 ipvsadm --stop-daemon backup 2>/dev/null
fi

# The VIPs go before the sysctls that keep this node silent about them.
for vip in {{ vips }}; do
    case $vip in *:*) length=128 ;; *) length=32 ;; esac
    for interface in {{ vip_interface }} {{ interface }}; do
        ip addr del "$vip/$length" dev "$interface" 2>/dev/null
    done
    case $(ip -o addr show) in
    *" $vip/"*)
        echo "$vip is still on an interface: ip addr show" >&2
        exit 1
        ;;
    esac
done

{
    for pref in 53 54 55 56; do tc filter del dev {{ interface }} egress pref $pref; done
    for pref in 55 56 61 62 63 64; do tc filter del dev {{ interface }} ingress pref $pref; done
    # Others may have filters there by now, or had the qdisc before.
    if ! grep -q '^qdisc clsact .* dev {{ interface }} ' {{ before }}/qdiscs &&
        [ -z "$(tc filter show dev {{ interface }} egress)$(tc filter show dev {{ interface }} ingress)" ]; then
        tc qdisc del dev {{ interface }} clsact
    fi
    nft delete table ip selfbalance
    nft delete table ip6 selfbalance
    for iptables in iptables-legacy ip6tables-legacy; do
        command -v "$iptables" || continue
        "$iptables" -t mangle -D PREROUTING -i {{ interface }} -j SELFBALANCE &&
            "$iptables" -t mangle -F SELFBALANCE && "$iptables" -t mangle -X SELFBALANCE
    done
{% if gue_port %}
    ip fou del port {{ gue_port }}
    ip -6 fou del port {{ gue_port }}
{% endif %}
{% for each in unwrapping %}
    grep -q '^[0-9]*: {{ each }}[@:]' {{ before }}/up || ip link set {{ each }} down
{% endfor %}
} >/dev/null 2>&1
exit 0
