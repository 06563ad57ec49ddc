#!/bin/sh
# A small fake game server. One file, many commands: it is linked into a demo host's bin/ under each name of
# the table at the end, and acts by the name it was called with. Its state is a few files in $HOME/game, so it
# needs no process of its own; times are divided by the fleet's speed ($GAME_SPEED, in percent).
# Every line carries the host's running number, so that a lost, repeated or swapped line is seen by eye.
set -eu
game=$HOME/game
speed=${GAME_SPEED:-100}

say() { # one numbered line; %b, so that \033 starts a colour
    read -r count <"$game/lines" || count=0
    count=$((count + 1))
    echo "$count" >"$game/lines"
    printf '[%04d] %b\n' "$count" "$*"
}

pause() { # milliseconds at speed 1
    ms=$(($1 * 100 / speed))
    fraction=$((1000 + ms % 1000))
    [ "$ms" -eq 0 ] || sleep "$((ms / 1000)).${fraction#1}"
}

clock() { # hundredths of a second since the machine started, without a process
    read -r up rest </proc/uptime
    now=${up%.*}${up#*.}
}

count_players() {
    clock
    if [ -f "$game/closed" ]; then
        read -r closed_at at_closing <"$game/closed"
        # One player leaves every quarter of a second.
        players=$((at_closing - (now - closed_at) * speed / 100 / 25))
        [ "$closed_at" -le "$now" ] && [ "$players" -gt 0 ] || players=0
    else
        read -r usual <"$game/usual"
        players=$((usual + now / 100 * 7 % 11 - 5))
    fi
}

announce() {
    echo 0 >"$game/lines"
    say "announcement to every player: update to ${1:-a new version} soon"
    for channel in world guild team trade system; do
        say "  sent to channel $channel"
        pause 120
    done
    say "  公告：服务器即将更新到 ${1:-新版本}，请提前下线保存进度。"
    for minutes in 5 3 2 1; do
        pause 300
        say "  \033[33mcountdown\033[0m: $minutes min, 倒计时 $minutes 分钟"
    done
    count_players
    say "announced, $players players online"
}

close_doors() {
    count_players
    [ -f "$game/closed" ] || echo "$now $players" >"$game/closed"
    for door in login matchmaking party queue invite; do
        say "door $door: \033[31mclosed\033[0m"
        pause 80
    done
    say "no new players; $players still inside 仍在线"
}

show_players() {
    count_players
    say "players: $players 在线玩家"
    [ "${1:-}" != --empty ] || [ "$players" -eq 0 ]
}

stop_server() {
    if [ ! -f "$game/running" ]; then
        say "already stopped"
        return
    fi
    for world in 1 2 3 4 5 6 7 8 9 10; do
        say "world $world saved 世界 $world 已保存"
        pause 250
    done
    rm -f "$game/running"
    say "\033[32mstopped\033[0m"
}

switch_version() {
    build=$HOME/builds/game-$1.tar.gz
    if [ ! -f "$build" ]; then
        say "no build $build" >&2
        return 3
    fi
    say "unpacking game-$1.tar.gz"
    mkdir -p "$game/versions/$1"
    tar -xzf "$build" -C "$game/versions/$1"
    for done in 10 20 30 40 50 60 70 80 90 100; do
        printf '\r解压 unpack %3d%% ' "$done"
        pause 150
    done
    printf '\n'
    while read -r part; do
        say "  $part"
        pause 60
    done <"$game/versions/$1/MANIFEST"
    ln -sfn "versions/$1" "$game/current"
    echo "$1" >"$game/version"
    say "version is now \033[1m$1\033[0m 版本已切换"
}

start_server() {
    read -r version <"$game/version"
    say "starting $version"
    for map in 长安 洛阳 harbour desert 昆仑 glacier catacombs 蓬莱; do
        say "  \033[36mmap\033[0m $map loaded"
        pause 300
    done
    clock
    echo "$now" >"$game/running"
    say "process is up, warming up 预热中"
}

check_health() {
    # Two hosts of a new fleet are ill. A step has a session of its own, so the session's number tells whether
    # this is still the step that found the illness first: it fails as long as that step lasts, the next heals.
    if [ -f "$game/ill" ]; then
        read -r pid name state parent group session rest </proc/self/stat
        read -r found_by <"$game/ill" || found_by=
        if [ "${found_by:-$session}" = "$session" ]; then
            echo "$session" >"$game/ill"
            say "health: \033[31mthe world database does not answer 数据库无响应\033[0m" >&2
            return 1
        fi
        rm -f "$game/ill"
    fi
    if [ ! -f "$game/running" ]; then
        say "health: not running" >&2
        return 1
    fi
    clock
    read -r started_at <"$game/running"
    if [ "$started_at" -le "$now" ] && [ $(((now - started_at) * speed / 100)) -lt 250 ]; then
        say "health: warming up 预热中"
        return 1
    fi
    for part in network database worlds scripts; do
        say "health: $part \033[32mok\033[0m"
    done
}

chatter() { # seconds by the clock, whatever the speed: much output in bursts, lines that come in pieces, no end
    clock
    until=$((now + $1 * 100))
    while [ "$now" -lt "$until" ]; do
        for who in 张三 Alice 李四 Bob 王五 Carol 赵六 Dave 钱七 Eve 孙八 Frank; do
            say "$who: 世界频道 hello from $HOSTNAME, 祝大家玩得开心！"
        done
        printf '\r在线 online %d ' "$now"
        sleep 0.1
        printf 'half a line, 半行'
        sleep 0.15
        printf ' and its end 结束\n'
        clock
    done
    printf 'no newline at the end 没有换行'
}

open_doors() {
    rm -f "$game/closed"
    for door in login matchmaking party queue invite; do
        say "door $door: \033[32mopen\033[0m"
        pause 60
    done
    read -r version <"$game/version"
    say "open on $version, 欢迎回来！"
}

case ${0##*/} in
game-announce) announce "$@" ;;
game-close) close_doors ;;
game-players) show_players "$@" ;;
game-stop) stop_server ;;
game-switch) switch_version "$1" ;;
game-start) start_server ;;
game-health) check_health ;;
game-chatter) chatter "$1" ;;
game-open) open_doors ;;
game-version) cat "$game/version" ;;
esac
