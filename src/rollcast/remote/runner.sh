#!/bin/sh
# rollcast runner: carries out one step on this host, detached, with a journal that any number of followers may read.
# POSIX sh (dash, bash, busybox ash) on Linux. Called with the home folder as working directory.
#
#   start DIR OFFSET ENVBYTES NBYTES SHA256 LIMIT TIMEOUT BUFFERING < env+script, then the lifeline
#   attach DIR OFFSET < lifeline
#   seal DIR | look DIR | stop DIR GRACE | digest DIR FROM TO ... | clean DIR
#   receive PATH NBYTES SHA256 MODE TOKEN < file
#   abandon PATH TOKEN
#
# What it promises
#   1. A start that was cut while being sent runs nothing.    Count and SHA-256 are checked before run/ exists.
#   2. A folder's script runs at most once.                   run/ appears whole, by one rename; who finds one there
#      starts nothing. In it the script is run/waiting, and one more rename decides: to run/script by the step that is
#      about to become it, to run/void by a look that found nobody alive or by a stop, to run/sealed by a refusal.
#   3. A sealed folder never runs.                            seal makes a run/ of its own by the same rename.
#   4. The journal holds the step's bytes and nothing else.   The control file beside it carries started, limit,
#      timeout and exit. BYTES of the exit record close the journal; whatever a left-over child writes stands behind it.
#   5. Following changes nothing and leaves nothing behind.   A follower lives as long as its stdin.
#   6. What runs can be found, and it was said that it runs.  The step writes itself down before it takes its script, and
#      `started` before it becomes it; if one of these cannot be written (the disk is full), it refuses and says so.
#   7. A full disk keeps nobody from looking and stopping.    Both only rename and read; seal alone may have to make run/.
#   8. A stop that was begun is never told as "had ended".    It leaves run/stopping (where there is room for it): from
#      then on only an empty session is an answer, whatever exit record our own TERM has brought about.
# What would break it: reading the script from stdin (`sh -s` swallows data), one session for supervisor and step
# (`trap "kill 0" EXIT` in a step would kill the record of its end), a poll that decides by a pid alone (pids are reused,
# zombies look alive), any write into the journal by this file, or "gone" for what is merely not known.
#
# On the host it is one file: processes.sh, then this.
#
# Names begin with rc_ so that no variable that the user exports is changed for the step.

rc_timeout_grace=5   # seconds between TERM and KILL when a step ran out of time
rc_limit_grace=1     # the same when it writes too much: it may write 0.3 GB in that second
rc_free_percent=5    # below this share of free disk a writing step is ended: a game server needs the disk more
rc_disk_step=1048576 # bytes a journal must have grown before the disk is looked at again

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
    rc_step_is_gone || return # nobody records its end, but it runs, or may: not gone yet
    rc_read_control           # the supervisor may have ended between the two looks
    if [ -n "$rc_ended" ]; then rc_judge_ended; else rc_verdict=gone; fi
}

rc_judge_unstarted() {
    rc_verdict=alive
    rc_alive_as_noted "$rc_run/starter" && return
    rc_alive_as_noted "$rc_run/supervisor" && return
    if ! rc_void; then
        rc_step_members && return # it took its script, and is about to say so
        rc_read_control
        if [ -n "$rc_started" ]; then rc_judge; return; fi
    fi
    rc_verdict=unstarted
}

# A script that still waits never runs: true when it is made so now. No room is needed for it.
rc_void() {
    mv -f "$rc_run/waiting" "$rc_run/void" 2> /dev/null && return
    if [ -e "$rc_run/waiting" ]; then rc_fail "cannot write in $HOME/$rc_run"; fi
    return 1
}

rc_look() {
    rc_judge
    if [ "$rc_verdict" = alive ]; then rc_verdict="alive $(rc_size "$rc_run/journal" 2> /dev/null)"; fi
    rc_say "$rc_verdict"
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
    head -c "$3" > "$rc_new/sent" || rc_fail_to_write
    if [ "$(rc_size "$rc_new/sent")" != "$3" ] || [ "$(rc_sha256 < "$rc_new/sent")" != "$4" ]; then
        rm -rf "$rc_new"
        rc_say short
        exit 0
    fi
    head -c "$2" "$rc_new/sent" > "$rc_new/env" &&
        tail -c +$(($2 + 1)) "$rc_new/sent" > "$rc_new/waiting" &&
        rm "$rc_new/sent" && chmod 700 "$rc_new/waiting" && rc_stat $$ &&
        true > "$rc_new/journal" && true > "$rc_new/control" &&
        printf '%s %s\n' $$ "$rc_start" > "$rc_new/starter" || rc_fail_to_write
    if ! rc_claim "$rc_new"; then
        if [ -e "$rc_run/sealed" ]; then rc_say sealed; else rc_say taken; fi
        exit 0
    fi
    # Twice: the first makes a group leader, which the second must leave by a fork. So it is detached without "&", which
    # would leave the step deaf for INT and QUIT.
    rc_word=$(setsid setsid sh "$0" supervise "$rc_dir" "$5" "$6" "$7" "$rc_umask" < /dev/null 2> /dev/null | head -n 1)
    case $rc_word in
        started) rc_follow "$1" ;;
        failed*) rc_say "$rc_word"; exit 1 ;;
    esac
    # Supervisor and step are gone, or somebody made the start void before them.
    if ! rc_void; then rc_read_control; fi
    if [ -n "${rc_started:-}" ]; then rc_follow "$1"; fi
    rc_say unstarted
}

rc_fail_to_write() {
    rm -rf "$rc_new"
    rc_fail "cannot write in $HOME/$rc_dir"
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

# True when the folder is sealed; false when there is a start in it.
rc_seal() {
    if [ -d "$rc_run" ]; then [ -e "$rc_run/sealed" ]; return; fi
    umask 077
    mkdir -p "$rc_dir" 2> /dev/null && mkdir "$rc_dir/seal.$$" 2> /dev/null && true > "$rc_dir/seal.$$/sealed" ||
        rc_fail "cannot write in $HOME/$rc_dir"
    rc_claim "$rc_dir/seal.$$" || [ -e "$rc_run/sealed" ]
}

rc_stop() { # GRACE
    if rc_seal; then rc_say sealed; return; fi
    rc_judge
    case $rc_verdict in
        ended*) if [ -e "$rc_run/stopping" ]; then rc_stop_living "$1"; else rc_say "$rc_verdict"; fi ;;
        unstarted | sealed) rc_say sealed ;;
        gone | interrupted) rc_say stopped ;;
        alive)
            if rc_void; then rc_say sealed; return; fi
            { true > "$rc_run/stopping"; } 2> /dev/null
            rc_stop_living "$1"
            ;;
        *) rc_say "$rc_verdict" ;;
    esac
}

# GRACE: also when there is an exit record by now: our own signal may have brought it, and others of the step live on.
rc_stop_living() {
    if rc_end_step "$1"; then
        rc_await_record
        rc_say stopped
    else
        rc_say "unconfirmed$(rc_left_over)"
    fi
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
    rm -f "$rc_run/journal" "$rc_run/script" "$rc_run/void" "$rc_run/env"
    rc_say cleaned
}

rc_receive() { # PATH NBYTES SHA256 MODE TOKEN
    rc_name_parts "$1" "$5"
    if [ -d "$1" ]; then rc_fail "$1 is a folder"; fi
    if [ -f "$1" ] && [ "$(rc_size "$1")" = "$2" ] && [ "$(rc_sha256 < "$1")" = "$3" ]; then
        chmod "$4" "$1" || rc_fail "cannot change the mode of $1"
        rc_say stored
        return
    fi
    mkdir -p "${rc_folder:-/}" 2> /dev/null || rc_fail "cannot make the folder $rc_folder"
    rc_part="$rc_parts.$$.part"
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

# The folder of that file in rc_folder, and how the names of this attempt's unfinished copies of it begin in rc_parts.
rc_name_parts() { # PATH TOKEN
    case $1 in */*) rc_folder=${1%/*} ;; *) rc_folder=. ;; esac
    rc_parts="$rc_folder/.${1##*/}.$2"
}

# What is being received has no part any more that could be put in its place.
rc_abandon() { # PATH TOKEN
    rc_name_parts "$1" "$2"
    rm -f "$rc_parts".*.part 2> /dev/null || rc_fail "cannot remove the unfinished copy of $1"
    rc_say abandoned
}

rc_supervise() { # LIMIT TIMEOUT BUFFERING UMASK
    exec 3>&1 > /dev/null # the starter waits there for one word: started, or why not
    rc_stat $$
    rc_born=$rc_start
    rc_note "$$ $rc_born" "$rc_run/supervisor" || rc_refuse "$rc_run/waiting" "cannot write in $HOME/$rc_run"
    rc_watch "$1" "$2" 3>&- &
    rc_watcher=$!
    # In a subshell, because dash and busybox redirect themselves, and would say "Terminated" into the journal.
    (exec < /dev/null >> "$rc_run/journal" 2>&1 && exec setsid sh "$0" step "$rc_dir" "$3" "$4" "$$ $rc_born")
    rc_code=$?
    rc_read_control
    if [ -z "$rc_started" ]; then
        kill -s KILL "$rc_watcher"
        rc_refuse "$rc_run/waiting" "cannot start another process"
    fi
    # A watcher that is just ending the step must finish with its children; any other must not outlive us.
    if [ -e "$rc_run/ending" ]; then wait "$rc_watcher"; else kill -s KILL "$rc_watcher"; fi
    rc_bytes=$(rc_size "$rc_run/journal")
    if [ "$rc_bytes" -gt "$1" ] && [ ! -e "$rc_run/ending" ]; then
        printf 'limit %s\n' "$rc_bytes" >> "$rc_run/control"
    fi
    rc_sum=$(head -c "$rc_bytes" "$rc_run/journal" | rc_sha256)
    printf 'exit %s %s %s\n' "$rc_code" "$rc_bytes" "$rc_sum" >> "$rc_run/control"
}

# RECORD FILE: appended, and that is sure.
rc_note() { { printf '%s\n' "$1" >> "$2"; } 2> /dev/null; }

# WORD: to the starter. In a subshell, because it may be gone.
rc_tell() { (printf '%s\n' "$1" >&3) 2> /dev/null; }

# SCRIPT REASON: it never runs, unless somebody else has said so; the folder is as good as sealed.
rc_refuse() {
    mv -f "$1" "$rc_run/sealed" 2> /dev/null && rc_tell "failed $2"
    exit 1
}

rc_watch() { # LIMIT TIMEOUT
    rc_uptime
    rc_deadline=$((rc_now + $2)) rc_disk_seen=0
    while sleep 1; do
        # Whoever lives of the two is reason enough: a step whose supervisor was killed keeps its limits.
        if ! rc_alive $$ "$rc_born" && rc_step_is_gone; then return; fi
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

rc_step() { # BUFFERING UMASK SUPERVISOR
    rc_stat $$
    rc_note "$$ $rc_start" "$rc_run/step" || rc_refuse "$rc_run/waiting" "cannot write in $HOME/$rc_run"
    mv -f "$rc_run/waiting" "$rc_run/script" 2> /dev/null || exit 1 # void by now
    rc_note "started $3 $rc_boot" "$rc_run/control" || rc_refuse "$rc_run/script" "cannot write in $HOME/$rc_run"
    rc_tell started
    exec 3>&-
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
case $rc_verb in
    receive) rc_receive "$@"; exit ;;
    abandon) rc_abandon "$@"; exit ;;
esac
rc_dir=$1
rc_run=$rc_dir/run
read -r rc_boot < /proc/sys/kernel/random/boot_id
shift
case $rc_verb in
    start) rc_start "$@" ;;
    attach) rc_attach "$@" ;;
    seal) if rc_seal; then rc_say sealed; else rc_say taken; fi ;;
    look) rc_look ;;
    stop) rc_stop "$@" ;;
    digest) rc_digest "$@" ;;
    clean) rc_clean ;;
    supervise) rc_supervise "$@" ;;
    step) rc_step "$@" ;;
    *) rc_fail "unknown verb $rc_verb" ;;
esac
