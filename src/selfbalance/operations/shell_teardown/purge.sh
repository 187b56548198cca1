# Print "purge" and the packages that were not there before, with what they brought; or why they stay. What
# somebody else needs by now stays. Changes nothing.
set -u
before={{ before }}/packages
wanted={{ packages }}
if [ ! -e "$before" ]; then
    echo "what was there before is not known: $wanted stay installed"
    exit 0
fi
installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = "$2" ]; }
ours= left=
for package in $wanted; do
    grep -qx "$package installed" "$before" && continue
    if installed "$package" installed; then ours="$ours $package"; fi
    # A purge that was cut short leaves configuration.
    if installed "$package" config-files && ! grep -q "^$package " "$before"; then left="$left $package"; fi
done
[ -n "$ours$left" ] || exit 0
named() { awk '$1 == "Purg" || $1 == "Remv" { print $2 }' | sort -u; }
# A recommendation or a suggestion keeps nothing by itself: what was there before did without.
go() {
    LC_ALL=C apt-get -q -y -s -o APT::AutoRemove::RecommendsImportant=false \
        -o APT::AutoRemove::SuggestsImportant=false "$@" | named
}
came() {
    dpkg-query -W -f '${db:Status-Status} ${Package}\n' |
        awk 'NR == FNR { before[$1]; next } $1 == "installed" && !($2 in before) { print $2 }' "$before" -
}
orphans=$(go autoremove)
# What apt would take with them, but for what was there before, and what is without a use in any case.
# shellcheck disable=SC2086 # words
brought() {
    go purge --auto-remove $ours "$@" | while read -r package; do
        case " $wanted " in *" $package "*) continue ;; esac
        grep -q "^$package " "$before" && continue
        printf '%s\n' "$orphans" | grep -qxF "$package" && continue
        echo "$package"
    done
}
going=$(brought)
# What came since, and stays, keeps what it recommends or suggests, with all that this needs.
# shellcheck disable=SC2086
others=$(came | grep -vxF -e "$(printf '%s\n' $wanted $going)")
# shellcheck disable=SC2086
kept=$([ -z "$others" ] || dpkg-query -W -f '${Recommends}, ${Suggests}\n' $others |
    tr ',|' '\n\n' | sed 's/^ *//; s/[ :(].*//' | grep -xF -e "$(printf '%s\n' ${going:-/})" | sort -u)
# shellcheck disable=SC2046
[ -z "$kept" ] || going=$(brought $(printf '%s+ ' $kept))
# shellcheck disable=SC2086
for package in $(go purge $ours $going); do
    case " $wanted $(echo $going) " in *" $package "*) continue ;; esac
    echo "$package needs what was installed for the cluster:$ours stay installed"
    exit 0
done
# shellcheck disable=SC2086
echo purge $ours $going $left
