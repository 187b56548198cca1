systemctl stop {{ timer }}.timer 2>/dev/null
[ -e {{ drop_in }} ] || exit 0
