# What gluster says of its volumes as a whole: asked on one node at a time, for its commands take a lock of
# the whole pool. Prints sections, changes nothing. The parser is volumes.py, beside this file.
# No answer in time is an answer: with a peer that has just lost its power, `volume status` takes 120 s.
LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
section() { printf '##%s %s\n' "$1" "$2"; }

# Somebody else's transaction ends soon; whatever else gluster answers, it answers again.
ask() {
    patience_s=$1
    shift
    tries=0
    while :; do
        said=$(timeout "$patience_s" nice gluster --mode=script --xml volume "$@" 2>&1)
        code=$?
        tries=$((tries + 1))
        case $said in
        *'nother transaction'* | *'ocking failed'*)
            [ $tries -le 15 ] && sleep 1 && continue
            ;;
        esac
        break
    done
    # Where gluster refuses, its XML says why, whatever the code is.
    case $code,$said in
    124,*) echo "!{{ unanswered }} $patience_s s" ;;
    *,\<\?xml*) printf '%s\n' "$said" ;;
    *) printf '!%s\n' "${said:-gluster ended with $code}" | head -n 1 ;;
    esac
}

for volume in {{ volumes }}; do
    section status "$volume"
    ask {{ status_s }} status "$volume"
    section heal "$volume"
    first=$(ask {{ heal_s }} heal "$volume" info summary)
    printf '%s\n' "$first"
    # One count of nothing is no proof: an index is read while it is written. One of something is.
    section again "$volume"
    case $first in
    !* | *HealPending\>[1-9]* | *Healing\>[1-9]*) printf '%s\n' "$first" ;;
    *) sleep 1 && ask {{ heal_s }} heal "$volume" info summary ;;
    esac
done
section end -
