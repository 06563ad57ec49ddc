#!/bin/sh
# rollcast runner: carries out one step on this host, detached, with a journal that any number of followers may read.
# POSIX sh (dash, bash, busybox ash) on Linux. Called with the home folder as working directory.
#
#   start DIR OFFSET ENVBYTES NBYTES SHA256 LIMIT TIMEOUT BUFFERING < env+script, then the lifeline
#   attach DIR OFFSET < lifeline
#   seal DIR | look DIR | stop DIR GRACE | digest DIR FROM TO ... | clean DIR
#   receive PATH NBYTES SHA256 MODE < file
#
# What it promises
#   1. A start that was cut while being sent runs nothing.    Count and SHA-256 are checked before run/ exists.
#   2. A folder's script runs at most once.                   run/ appears whole, by one rename; who finds one there
#      starts nothing; and between run/ and the script stands run/go, taken once: by the supervisor, or by a look that
#      found nobody alive and thereby made "unstarted" final.
#   3. A sealed folder never runs.                            seal makes a run/ of its own by the same rename.
#   4. The journal holds the step's bytes and nothing else.   The control file beside it carries started, limit,
#      timeout and exit. BYTES of the exit record close the journal; whatever a left-over child writes stands behind it.
#   5. Following changes nothing and leaves nothing behind.   A follower lives as long as its stdin.
# What would break it: reading the script from stdin (`sh -s` swallows data), one session for supervisor and step
# (`trap "kill 0" EXIT` in a step would kill the record of its end), a poll that decides by a pid alone (pids are reused,
# zombies look alive), or any write into the journal by this file.
#
# Names begin with rc_ so that no variable that the user exports is changed for the step.
set -u

rc_kill_wait=5       # seconds after KILL until a process that is still there counts as not killable
rc_timeout_grace=5   # seconds between TERM and KILL when a step ran out of time
rc_limit_grace=1     # the same when it writes too much: it may write 0.3 GB in that second
rc_free_percent=5    # below this share of free disk a writing step is ended: a game server needs the disk more
rc_disk_step=1048576 # bytes a journal must have grown before the disk is looked at again

rc_say() { printf '%s\n' "$*" >&2; }
rc_fail() { rc_say "failed $*"; exit 1; }

# STATE, SESSION and START (clock ticks since boot) of a process; false when nobody has that pid.
rc_stat() {
    { read -r rc_line < "/proc/$1/stat"; } 2> /dev/null || return 1
    # shellcheck disable=SC2086 # the program's name may hold anything, behind its last ")" stand only numbers
    set -- ${rc_line##*)}
    rc_state=$1 rc_session=$4 rc_start=${20}
}

# PID START: that very process lives (a zombie does not; a reused pid has another start time).
rc_alive() {
    rc_stat "$1" && [ "$rc_start" = "$2" ] && [ "$rc_state" != Z ] && [ "$rc_state" != X ]
}

# FILE: the process written down there lives.
rc_alive_as_noted() {
    rc_pid=
    { read -r rc_pid rc_began < "$1"; } 2> /dev/null
    [ -n "$rc_pid" ] && rc_alive "$rc_pid" "$rc_began"
}

# The living pids of the step's session, in rc_members; false when there are none.
rc_step_members() {
    rc_members= rc_leader=
    { read -r rc_leader rc_began < "$rc_run/step"; } 2> /dev/null
    [ -n "$rc_leader" ] && rc_session_members
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

# GRACE: TERM, grace, KILL; true when nobody of the step's session lives any more.
rc_end_step() {
    rc_step_members || return 0
    rc_signal_step TERM
    rc_uptime
    rc_kill_at=$((rc_now + $1)) rc_give_up_at=$((rc_now + $1 + rc_kill_wait))
    while rc_step_members; do
        rc_uptime
        [ "$rc_now" -ge "$rc_give_up_at" ] && return 1
        [ "$rc_now" -ge "$rc_kill_at" ] && rc_signal_step KILL
        rc_nap
    done
}

rc_size() { stat -c %s "$1" 2> /dev/null || wc -c < "$1" | tr -d ' '; }

rc_sha256() {
    rc_sum=$(sha256sum)
    printf '%s' "${rc_sum%% *}"
}

# ---- attached.sh has all of the above, too

# The control file's records, in rc_started and rc_ended. A line without its newline is still being written: not read.
rc_read_control() {
    rc_started='' rc_ended=''
    { while read -r rc_word rc_rest; do
        case $rc_word in
            started) rc_started=$rc_rest ;;
            exit) rc_ended=$rc_rest ;;
        esac
    done < "$rc_run/control"; } 2> /dev/null
}

# FOLDER becomes run/, whole and at once; false (and FOLDER gone) when there is a run/ already.
rc_claim() {
    if [ ! -e "$rc_run" ] && mv "$1" "$rc_run" 2> /dev/null && [ ! -e "$rc_run/${1##*/}" ]; then return 0; fi
    rm -rf "$1" "$rc_run/${1##*/}" # a run/ that appeared in between swallowed ours
    return 1
}

# What became of the step, in rc_verdict.
rc_judge() {
    if [ ! -d "$rc_run" ]; then rc_verdict="missing $rc_boot"; return; fi
    if [ -e "$rc_run/sealed" ]; then rc_verdict=sealed; return; fi
    rc_read_control
    if [ -n "$rc_ended" ]; then rc_judge_ended; return; fi
    if [ -n "$rc_started" ]; then rc_judge_started; else rc_judge_unstarted; fi
}

rc_judge_ended() { rc_verdict="ended $rc_ended $(rc_size "$rc_run/journal")"; }

rc_judge_started() {
    if [ "${rc_started##* }" != "$rc_boot" ]; then rc_verdict=interrupted; return; fi
    rc_verdict=alive
    rc_alive_as_noted "$rc_run/supervisor" && return
    rc_step_members && return # nobody records its end, but it runs: not gone yet
    rc_read_control           # the supervisor may have ended between the two looks
    if [ -n "$rc_ended" ]; then rc_judge_ended; else rc_verdict=gone; fi
}

rc_judge_unstarted() {
    rc_verdict=alive
    rc_alive_as_noted "$rc_run/starter" && return
    rc_alive_as_noted "$rc_run/supervisor" && return
    if mkdir "$rc_run/go" 2> /dev/null; then rc_verdict=unstarted; return; fi
    rc_alive_as_noted "$rc_run/supervisor" && return
    rc_read_control
    if [ -n "$rc_started" ]; then rc_judge; else rc_verdict=unstarted; fi
}

# OFFSET: the journal to stdout, control to stderr, until stdin ends. No loop of ours: tail waits in the kernel.
rc_follow() {
    rc_tail='-s 0.1'
    tail -s 0.1 -c 0 /dev/null 2> /dev/null || rc_tail='-s 1' # busybox takes whole seconds
    # shellcheck disable=SC2086
    tail $rc_tail -c +$(($1 + 1)) -f "$rc_run/journal" &
    rc_one=$!
    # shellcheck disable=SC2086
    tail $rc_tail -c +1 -f "$rc_run/control" >&2 &
    rc_two=$!
    cat > /dev/null
    kill -s KILL "$rc_one" "$rc_two" 2> /dev/null
    exit 0
}

rc_start() { # OFFSET ENVBYTES NBYTES SHA256 LIMIT TIMEOUT BUFFERING
    rc_umask=$(umask)
    umask 077
    rc_new="$rc_dir/new.$$"
    command -v setsid > /dev/null 2>&1 || rc_fail "no setsid on this host: install util-linux or busybox"
    rm -rf "$rc_new" # of a runner that was killed with our pid
    mkdir -p "$rc_dir" 2> /dev/null && mkdir "$rc_new" 2> /dev/null || rc_fail "cannot make a folder in $HOME/$rc_dir"
    head -c "$3" > "$rc_new/sent"
    if [ "$(rc_size "$rc_new/sent")" != "$3" ] || [ "$(rc_sha256 < "$rc_new/sent")" != "$4" ]; then
        rm -rf "$rc_new"
        rc_say short
        exit 0
    fi
    head -c "$2" "$rc_new/sent" > "$rc_new/env" &&
        tail -c +$(($2 + 1)) "$rc_new/sent" > "$rc_new/script" &&
        rm "$rc_new/sent" && chmod 700 "$rc_new/script" && rc_stat $$ &&
        true > "$rc_new/journal" && true > "$rc_new/control" && printf '%s %s\n' $$ "$rc_start" > "$rc_new/starter" || {
        rm -rf "$rc_new"
        rc_fail "cannot write in $HOME/$rc_dir"
    }
    if ! rc_claim "$rc_new"; then
        if [ -e "$rc_run/sealed" ]; then rc_say sealed; else rc_say taken; fi
        exit 0
    fi
    # Twice: the first makes a group leader, which the second must leave by a fork. So it is detached without "&", which
    # would leave the step deaf for INT and QUIT.
    setsid setsid sh "$0" supervise "$rc_dir" "$5" "$6" "$7" "$rc_umask" < /dev/null > /dev/null 2>&1 ||
        rc_fail "cannot start another process"
    rc_follow "$1"
}

rc_attach() { # OFFSET
    rc_judge
    case $rc_verdict in
        alive | ended*) ;;
        gone | interrupted)
            cat "$rc_run/control" >&2
            tail -c +$(($1 + 1)) "$rc_run/journal"
            ;;
    esac
    [ -e "$rc_run/journal" ] || case $rc_verdict in sealed | unstarted) ;; *) rc_verdict="missing $rc_boot" ;; esac
    case $rc_verdict in
        alive | ended*) rc_follow "$1" ;;
        *) rc_say "$rc_verdict" ;;
    esac
}

rc_seal() {
    umask 077
    mkdir -p "$rc_dir" 2> /dev/null && mkdir "$rc_dir/seal.$$" 2> /dev/null && true > "$rc_dir/seal.$$/sealed" ||
        rc_fail "cannot write in $HOME/$rc_dir"
    rc_claim "$rc_dir/seal.$$" || [ -e "$rc_run/sealed" ]
}

rc_stop() { # GRACE
    if rc_seal; then rc_say sealed; return; fi
    true > "$rc_run/stop" # a step that is just about to begin sees this and does not
    rc_judge
    rc_uptime
    rc_wait_until=$((rc_now + rc_kill_wait))
    while [ "$rc_verdict" = alive ] && [ ! -e "$rc_run/step" ] && [ "$rc_now" -lt "$rc_wait_until" ]; do
        rc_nap
        rc_uptime
        rc_judge
    done
    case $rc_verdict in
        ended*) rc_say "$rc_verdict" ;;
        unstarted | sealed) rc_say sealed ;;
        gone | interrupted) rc_say stopped ;;
        alive)
            if [ -e "$rc_run/step" ] && rc_end_step "$1"; then
                rc_await_record
                rc_say stopped
            else
                rc_say "unconfirmed${rc_members:-}"
            fi
            ;;
        *) rc_say "$rc_verdict" ;;
    esac
}

# The supervisor has yet to write its exit record: a follower should see it.
rc_await_record() {
    rc_uptime
    rc_wait_until=$((rc_now + rc_kill_wait))
    while rc_alive_as_noted "$rc_run/supervisor" && [ "$rc_now" -lt "$rc_wait_until" ]; do
        rc_nap
        rc_uptime
    done
}

rc_digest() { # FROM TO ...
    [ -e "$rc_run/journal" ] || { rc_say "missing $rc_boot"; return; }
    while [ $# -ge 2 ]; do
        rc_say "digest $(tail -c +$(($1 + 1)) "$rc_run/journal" | head -c $(($2 - $1)) | rc_sha256)"
        shift 2
    done
}

rc_clean() {
    rc_judge
    if [ "$rc_verdict" = alive ]; then rc_say alive; return; fi
    rm -f "$rc_run/journal" "$rc_run/script" "$rc_run/env"
    rc_say cleaned
}

rc_receive() { # PATH NBYTES SHA256 MODE
    case $1 in */*) rc_folder=${1%/*} ;; *) rc_folder=. ;; esac
    if [ -d "$1" ]; then rc_fail "$1 is a folder"; fi
    if [ -f "$1" ] && [ "$(rc_size "$1")" = "$2" ] && [ "$(rc_sha256 < "$1")" = "$3" ]; then
        chmod "$4" "$1" || rc_fail "cannot change the mode of $1"
        rc_say stored
        return
    fi
    mkdir -p "${rc_folder:-/}" 2> /dev/null || rc_fail "cannot make the folder $rc_folder"
    rc_part="$rc_folder/.${1##*/}.$$.part"
    { true > "$rc_part"; } 2> /dev/null || rc_fail "cannot write in the folder $rc_folder"
    rc_say send
    head -c "$2" > "$rc_part"
    rc_answer=stored
    if [ "$(rc_size "$rc_part")" != "$2" ]; then rc_answer=short
    elif [ "$(rc_sha256 < "$rc_part")" != "$3" ]; then rc_answer=mismatch
    elif ! { chmod "$4" "$rc_part" && mv -f "$rc_part" "$1"; }; then rc_answer="failed cannot put $1 in its place"
    fi
    rm -f "$rc_part"
    rc_say "$rc_answer"
}

rc_supervise() { # LIMIT TIMEOUT BUFFERING UMASK
    rc_stat $$
    rc_born=$rc_start
    printf '%s %s\n' $$ "$rc_born" > "$rc_run/supervisor"
    mkdir "$rc_run/go" 2> /dev/null || exit 0
    printf 'started %s %s %s\n' $$ "$rc_born" "$rc_boot" >> "$rc_run/control"
    rc_watch "$1" "$2" &
    rc_watcher=$!
    # In a subshell, because dash and busybox redirect themselves, and would say "Terminated" into the journal.
    (exec < /dev/null >> "$rc_run/journal" 2>&1 && exec setsid sh "$0" step "$rc_dir" "$3" "$4")
    rc_code=$?
    # A watcher that is just ending the step must finish with its children; any other must not outlive us.
    if [ -e "$rc_run/ending" ]; then wait "$rc_watcher"; else kill -s KILL "$rc_watcher"; fi
    rc_bytes=$(rc_size "$rc_run/journal")
    if [ "$rc_bytes" -gt "$1" ] && [ ! -e "$rc_run/ending" ]; then
        printf 'limit %s\n' "$rc_bytes" >> "$rc_run/control"
    fi
    rc_sum=$(head -c "$rc_bytes" "$rc_run/journal" | rc_sha256)
    printf 'exit %s %s %s\n' "$rc_code" "$rc_bytes" "$rc_sum" >> "$rc_run/control"
}

rc_watch() { # LIMIT TIMEOUT
    rc_uptime
    rc_deadline=$((rc_now + $2)) rc_disk_seen=0
    while sleep 1; do
        # Whoever lives of the two is reason enough: a step whose supervisor was killed keeps its limits.
        rc_alive $$ "$rc_born" || rc_step_members || return
        rc_uptime
        if [ "$2" -gt 0 ] && [ "$rc_now" -ge "$rc_deadline" ]; then
            rc_end_by_rule "timeout $2" $rc_timeout_grace
            return
        fi
        # Nothing new: no process spent on it. Asked this way round, because busybox compares whole seconds.
        [ "$rc_run/seen" -nt "$rc_run/journal" ] && continue
        true > "$rc_run/seen"
        rc_bytes=$(rc_size "$rc_run/journal")
        if [ "$rc_bytes" -gt "$1" ] || rc_disk_is_short; then
            rc_end_by_rule "limit $rc_bytes" $rc_limit_grace
            return
        fi
    done
}

# True when the journal has grown and the disk is nearly full. A step that prints little may well be the one that tidies up.
rc_disk_is_short() {
    [ "$rc_bytes" -ge $((rc_disk_seen + rc_disk_step)) ] || return 1
    rc_disk_seen=$rc_bytes
    df -P -k "$rc_run" 2> /dev/null | {
        read -r rc_head
        read -r rc_device rc_total rc_used rc_free rc_rest || exit 1
        [ $((rc_free * 100)) -lt $((rc_total * rc_free_percent)) ]
    }
}

rc_end_by_rule() { # RECORD GRACE
    true > "$rc_run/ending"
    printf '%s\n' "$1" >> "$rc_run/control"
    rc_end_step "$2"
}

rc_step() { # BUFFERING UMASK
    rc_stat $$
    printf '%s %s\n' $$ "$rc_start" > "$rc_run/step"
    if [ -e "$rc_run/stop" ]; then exit 143; fi
    umask "$2"
    rc_env="$PWD/$rc_run/env" rc_buffering=$1
    IFS= read -r rc_line < "$rc_run/script"
    case $rc_line in
        '#!'*) set -- "$PWD/$rc_run/script" ;;
        *) set -- sh "$PWD/$rc_run/script" ;;
    esac
    if [ "$rc_buffering" = line ]; then
        export PYTHONUNBUFFERED=1
        if command -v stdbuf > /dev/null 2>&1; then set -- stdbuf -oL -eL "$@"; fi
    fi
    . "$rc_env"
    exec "$@"
}

rc_verb=$1
shift
if [ "$rc_verb" = receive ]; then rc_receive "$@"; exit; fi
rc_dir=$1
rc_run=$rc_dir/run
read -r rc_boot < /proc/sys/kernel/random/boot_id
shift
case $rc_verb in
    start) rc_start "$@" ;;
    attach) rc_attach "$@" ;;
    seal) if rc_seal; then rc_say sealed; else rc_say taken; fi ;;
    look) rc_judge; rc_say "$rc_verdict" ;;
    stop) rc_stop "$@" ;;
    digest) rc_digest "$@" ;;
    clean) rc_clean ;;
    supervise) rc_supervise "$@" ;;
    step) rc_step "$@" ;;
    *) rc_fail "unknown verb $rc_verb" ;;
esac
