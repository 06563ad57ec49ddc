# shellcheck shell=sh
# Looking at the host's processes and ending those of a step. Part of runner.sh and of attached.sh: it stands above both.
#
# What it promises: nobody who lives is taken for gone. A process is its pid and its start time, because pids are reused;
# a zombie does not live; and who cannot be told is not known to be gone: rc_step_members has a third answer for that.
# What would break it: "nobody lives" from a record that is missing, empty or cut.
set -u

rc_kill_wait=5       # seconds after KILL until a process that is still there counts as not killable

rc_say() { printf '%s\n' "$*" >&2; }
rc_fail() { rc_say "failed $*"; exit 1; }

# STATE, PARENT, SESSION and START (clock ticks since boot) of a process; false when nobody has that pid.
rc_stat() {
    { read -r rc_line < "/proc/$1/stat"; } 2> /dev/null || return 1
    # shellcheck disable=SC2086 # the program's name may hold anything, behind its last ")" stand only numbers
    set -- ${rc_line##*)}
    rc_state=$1 rc_parent=$2 rc_session=$4 rc_start=${20}
}

# PID START: that very process lives (a zombie does not; a reused pid has another start time).
rc_alive() {
    rc_stat "$1" && [ "$rc_start" = "$2" ] && [ "$rc_state" != Z ] && [ "$rc_state" != X ]
}

# FILE: the process written down there lives. A record without its newline was cut: nobody.
rc_alive_as_noted() {
    { read -r rc_pid rc_began < "$1"; } 2> /dev/null && rc_alive "$rc_pid" "$rc_began"
}

# The living pids of the step's session, in rc_members: 0 when there are some, 1 when there are none, 2 when nobody knows.
rc_step_members() {
    rc_members=
    { read -r rc_leader rc_began < "$rc_run/step"; } 2> /dev/null || rc_find_leader || return 2
    rc_session_members
}

# The step has no record of itself (the disk was full): it is the supervisor's child that leads a session.
rc_find_leader() {
    rc_alive_as_noted "$rc_run/supervisor" || return
    for rc_entry in /proc/[0-9]*; do
        rc_leader=${rc_entry#/proc/}
        rc_stat "$rc_leader" && [ "$rc_parent" = "$rc_pid" ] && [ "$rc_session" = "$rc_leader" ] || continue
        rc_began=$rc_start
        return
    done
    return 1
}

rc_step_is_gone() {
    rc_step_members
    [ $? -eq 1 ]
}

rc_session_members() {
    rc_members=
    # A leader with another start time means that the number was given anew, so nobody of our session is left.
    if rc_stat "$rc_leader" && [ "$rc_start" != "$rc_began" ]; then return 1; fi
    for rc_entry in /proc/[0-9]*; do
        rc_stat "${rc_entry#/proc/}" && [ "$rc_session" = "$rc_leader" ] || continue
        case $rc_state in Z | X) ;; *) rc_members="$rc_members ${rc_entry#/proc/}" ;; esac
    done
    [ -n "$rc_members" ]
}

# SIGNAL: to the group at once, so that no fork slips through, then to members that left the group.
rc_signal_step() {
    # dash wants the "--", busybox refuses it
    kill -s "$1" -- "-$rc_leader" 2> /dev/null || kill -s "$1" "-$rc_leader" 2> /dev/null
    # shellcheck disable=SC2086
    kill -s "$1" $rc_members 2> /dev/null
}

rc_nap() { sleep 0.1 2> /dev/null || sleep 1; }

# Seconds since boot, in rc_now: no clock change moves it.
rc_uptime() {
    read -r rc_now rc_rest < /proc/uptime
    rc_now=${rc_now%%.*}
}

# GRACE: TERM, grace, KILL; true when nobody of the step's session lives any more; false, too, when nobody knows.
rc_end_step() {
    rc_step_is_gone && return
    [ -n "$rc_members" ] || return
    rc_signal_step TERM
    rc_uptime
    rc_kill_at=$((rc_now + $1)) rc_give_up_at=$((rc_now + $1 + rc_kill_wait))
    while rc_session_members; do # asked this way, because who found the leader once may not find it again
        rc_uptime
        [ "$rc_now" -ge "$rc_give_up_at" ] && return 1
        [ "$rc_now" -ge "$rc_kill_at" ] && rc_signal_step KILL
        rc_nap
    done
}

# The living members once more, each with a "!" that we may not signal: it runs as another user.
rc_left_over() {
    for rc_pid in $rc_members; do
        rc_refused=
        kill -s 0 "$rc_pid" 2> /dev/null || rc_refused=!
        printf ' %s%s' "$rc_pid" "$rc_refused"
    done
}

rc_size() { stat -c %s "$1" 2> /dev/null || wc -c < "$1" | tr -d ' '; }

rc_sha256() {
    rc_sum=$(sha256sum)
    printf '%s' "${rc_sum%% *}"
}
