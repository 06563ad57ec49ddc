
# ---- attached: one step on a host where nothing can be written, for as long as its channel lives.
#
#   start DIR NBYTES SHA256 ENDMARK GRACE BUFFERING SHELL... < env+script, then the lifeline
#   stop DIR GRACE
#
# What it promises
#   1. A start that was cut while being sent runs nothing.   The step holds all of it, counted and hashed, before eval.
#   2. The step does not outlive its channel unseen.         When stdin ends, its session gets TERM, then KILL.
#   3. Output comes before ENDMARK, whole and in order.      The step's two outputs are one pipe; the mark follows its end.
#   4. Nothing is written on this host, and no value of a parameter stands in a command line.
# What would break it: two readers of stdin at a time (the lifeline begins behind the last byte of the script), an end told
# on the other pipe (it would overtake output), "&" for the step (it would be deaf for INT and QUIT), or a step that leads
# its own session (after an exec nothing would tell whose it is).

# The session of rc_leader and rc_began, which no file tells here.
rc_step_members() { rc_session_members; }

# DIR: the living leader of that step's session, in rc_leader and rc_began; its command line names the step.
rc_find() {
    for rc_entry in /proc/[0-9]*; do
        rc_leader=${rc_entry#/proc/}
        rc_stat "$rc_leader" && [ "$rc_session" = "$rc_leader" ] || continue
        rc_began=$rc_start
        # Words on lines of their own: busybox grep stops reading at a NUL.
        { tr '\0' '\n' < "$rc_entry/cmdline"; } 2> /dev/null | grep -qxF -e "rollcast-step:$1" && return
    done
    return 1
}

rc_start_attached() { # DIR NBYTES SHA256 ENDMARK GRACE BUFFERING SHELL...
    command -v setsid > /dev/null 2>&1 || rc_fail "no setsid on this host: install util-linux or busybox"
    rc_dir=$1 rc_count=$2 rc_digest=$3 rc_mark=$4 rc_grace=$5 rc_buffering=$6
    shift 6
    # Here, so that no end is told of what never began; and again by the step, because we may die while we pass it on.
    rc_take_whole "$rc_count" "$rc_digest"
    exec 3<&0 < /dev/null
    (
        while read -r rc_line <&3; do :; done
        until rc_find "$rc_dir"; do # not there yet; a step that is over ends this wait, too
            rc_stat $$ || exit
            rc_nap
        done
        trap '' TERM # from here on it is waited for
        rc_end_step "$rc_grace"
    ) > /dev/null 2>&1 &
    rc_lifeline=$!
    if [ "$rc_buffering" = line ]; then
        export PYTHONUNBUFFERED=1
        if command -v stdbuf > /dev/null 2>&1; then set -- stdbuf -oL -eL "$@"; fi
    fi
    # The session's leader only waits: it keeps the step's name, whatever the step execs, and lives through what the step
    # sends to its own group. The trap is not inherited. So the group of a step has not its own number here, but is `0`.
    printf %s "$rc_sent" |
        setsid sh -c 'trap : HUP INT QUIT TERM ALRM USR1 USR2; "$@"; exit' "rollcast-step:$rc_dir" \
            "$@" -c 'eval "$1"' rollcast "$rc_text" step "$rc_count" "$rc_digest" 3<&-
    rc_code=$?
    kill -s TERM "$rc_lifeline" 2> /dev/null
    wait
    printf '%s %s\n' "$rc_mark" "$rc_code"
}

# NBYTES SHA256: that is what stdin gives, kept in rc_sent; else the end of this shell.
rc_take_whole() {
    rc_sent=$(head -c "$1"; echo .) # the dot keeps the newlines before it
    rc_sent=${rc_sent%.}
    [ "$(printf %s "$rc_sent" | wc -c)" -eq "$1" ] && [ "$(printf %s "$rc_sent" | rc_sha256)" = "$2" ] && return
    rc_say short
    exit 0
}

rc_take_step() { # NBYTES SHA256
    rc_take_whole "$1" "$2"
    rc_stat $$
    read -r rc_boot < /proc/sys/kernel/random/boot_id
    rc_say "started $$ $rc_start $rc_boot"
}

rc_stop_attached() { # DIR GRACE
    rc_find "$1" || { rc_say ended; return; }
    if rc_end_step "$2"; then rc_say stopped; else rc_say "unconfirmed$(rc_left_over)"; fi
}

rc_text=$1 rc_verb=$2
shift 2
case $rc_verb in
    start | stop)
        echo "$rc_preamble"
        echo "$rc_preamble" >&2
        rc_say ready
        cd 2> /dev/null || cd / || exit
        "rc_${rc_verb}_attached" "$@"
        exit
        ;;
esac
rc_take_step "$@"
set --
set +u
exec < /dev/null 2>&1
eval "$rc_sent"
