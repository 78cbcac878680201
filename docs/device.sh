#!/bin/sh
# A vehicle that loses nothing, out of mosquitto_pub and mosquitto_sub (2.0): see docs/devices.md.
#
#   gps-daemon | BROKER=mqtt.example.org PORT=8883 LOGIN=car-1 PASSWORD_FILE=/etc/car/password CA=/etc/car/ca.pem \
#       BASE=city/v1/yanjiang ID=car-1 DIR=/var/lib/car sh device.sh
#
# reads one position a line, {"lon": 104.6427, "lat": 30.1218, "speed_kmh": 18.5}, with or without "ts", and adds "boot" and
# "seq". Each position is a file in DIR until Curbwatch, not the broker, has acknowledged it:
#   BOOT.SEQ.new   to be sent         BOOT.SEQ.out   the broker has it
# At the end of the input it waits until all is acknowledged. One process for one DIR.
set -u
: "${BROKER:=127.0.0.1}" "${PORT:=1883}" "${LOGIN:=}" "${PASSWORD_FILE:=}" "${CA:=}"
: "${BASE:?}" "${ID:?}" "${DIR:?}"
: "${KEEP:=20000}"   # positions kept at most; beyond it the oldest go
: "${RESEND_S:=30}"  # without news for so long, everything is sent again
: "${ARRAY:=100}"    # positions in one message
BOOT=$(date +%s)-$$  # another text at each start; later ones sort behind earlier ones
VEHICLE=$BASE/vehicle/$ID

for tool in timeout mosquitto_pub mosquitto_sub; do
    command -v "$tool" >/dev/null && continue
    echo "device.sh: $tool is missing: install mosquitto-clients and coreutils" >&2
    exit 1
done

umask 077
mkdir -p "$DIR/etc" || exit 1
rm -f "$DIR"/*.tmp "$DIR/heard" "$DIR/ended"
mkfifo "$DIR/heard" || exit 1

# Options in files that only we may read: on the command line everybody would see the password.
{
    printf -- '-h %s\n-p %s\n-V 5\n-k 15\n' "$BROKER" "$PORT"
    [ -z "$LOGIN" ] || printf -- '-u %s\n' "$LOGIN"
    [ -z "$PASSWORD_FILE" ] || printf -- '-P %s\n' "$(cat "$PASSWORD_FILE")"
    [ -z "$CA" ] || printf -- '--cafile %s\n' "$CA"
} >"$DIR/etc/mosquitto_pub"
cp "$DIR/etc/mosquitto_pub" "$DIR/etc/mosquitto_sub"
export XDG_CONFIG_HOME="$DIR/etc"

alive() { kill -0 $$ 2>/dev/null; }  # $$ is the main process in its background parts too
publish() { timeout 60 mosquitto_pub -q 1 "$@" 2>"$DIR/said"; }
say() { publish -r -t "$VEHICLE/status" -m "$1"; }

# What mosquitto_pub said, once for each outage: a wrong password looks like a broker that is away.
complain() {
    [ -z "$told" ] || return 0
    told=yes
    [ -s "$DIR/said" ] || echo "no answer within 60 s" >"$DIR/said"
    sed "s|^|device.sh: $BROKER:$PORT: |" "$DIR/said" >&2
}

# One line to flash: written beside, synced, renamed.
store() {
    printf '%s\n' "$2" >"$1.tmp" && { sync "$1.tmp" 2>/dev/null || sync; } && mv "$1.tmp" "$1.new"
}

drop_oldest() {
    for file in "$DIR"/*.*.???; do rm -f "$file" && return; done
}

keep() {
    seq=0
    while alive && IFS= read -r line; do
        case $line in \{*\}) ;; *) continue ;; esac
        case $line in *'"ts"'*) ts= ;; *) ts="\"ts\":\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\"," ;; esac
        name=$DIR/$BOOT.$(printf %012d "$seq")
        line="{$ts\"boot\":\"$BOOT\",\"seq\":$seq,${line#\{}"
        until store "$name" "$line" 2>/dev/null; do drop_oldest; sleep 1; done  # the disk is full
        seq=$((seq + 1))
    done
    : >"$DIR/ended"
}

# {"boot": B, "seq": N}: everything of B up to N is stored. resync: the broker lost what it had for Curbwatch.
listen() {
    while alive; do
        mosquitto_sub -q 1 -t "$VEHICLE/ack" -t "$VEHICLE/resync" -F '%t %p' -W 600 --will-topic "$VEHICLE/status" \
            --will-payload offline --will-qos 1 --will-retain >"$DIR/heard" 2>/dev/null &
        echo $! >"$DIR/listener"
        while read -r topic body; do
            case $topic in
            */resync) : >"$DIR/again" ;;
            */ack)
                boot=$(printf %s "$body" | sed -n 's/.*"boot": *"\([^"]*\)".*/\1/p')
                mark=$(printf %s "$body" | sed -n 's/.*"seq": *\([0-9][0-9]*\).*/\1/p')
                [ -n "$boot" ] && [ -n "$mark" ] || continue
                for file in "$DIR/$boot".*.new "$DIR/$boot".*.out; do
                    number=${file%.*}
                    [ -e "$file" ] && [ "${number##*.}" -le "$mark" ] && rm -f "$file" && : >"$DIR/news"
                done
                ;;
            esac
        done <"$DIR/heard"
        sleep 1
    done
}

# Sends up to ARRAY positions of one boot, the oldest first. 1: there are none. 2: the broker took none.
send() {
    set -- "$DIR"/*.new
    [ -e "$1" ] || return 1
    boot=${1##*/} boot=${boot%%.*} count=0 body= sent=
    for file; do
        case $file in "$DIR/$boot".*) ;; *) break ;; esac
        [ "$count" -lt "$ARRAY" ] || break
        IFS= read -r line 2>/dev/null <"$file" || continue  # acknowledged this moment
        body=$body${body:+,}$line sent="$sent ${file##*/}" count=$((count + 1))
    done
    [ "$count" -gt 0 ] || return 0
    # What is below the lowest number still held is acknowledged, or was dropped: Curbwatch need not wait for it.
    for file in "$DIR/$boot".*.???; do oldest=${file%.*} && break; done
    oldest=$(expr "${oldest##*.}" + 0)
    printf '[%s]' "$body" >"$DIR/message"
    publish -t "$VEHICLE/position" -f "$DIR/message" -D publish user-property oldest "$oldest" || return 2
    for file in $sent; do mv "$DIR/$file" "$DIR/${file%.new}.out" 2>/dev/null; done
    return 0
}

again() {
    for file in "$DIR"/*.out; do [ -e "$file" ] && mv "$file" "${file%.out}.new" 2>/dev/null; done
}

bound() {
    set -- "$DIR"/*.*.???
    while [ $# -gt "$KEEP" ]; do rm -f "$1" && shift; done
}

held() {
    for file in "$DIR"/*.*.???; do [ -e "$file" ] && return; done
    return 1
}

finish() {
    kill "$keeper" "$listener" "$(cat "$DIR/listener")" 2>/dev/null
    say offline
    rm -f "$DIR/heard" "$DIR/listener" "$DIR/ended" "$DIR/message" "$DIR/said" "$DIR/news" "$DIR/again"
    rm -f "$DIR"/etc/mosquitto_*
}

exec 3<&0
keep <&3 &
keeper=$!
listen &
listener=$!
trap 'finish; exit 143' TERM
trap 'finish; exit 130' INT

quiet=$RESEND_S up= told=
until [ -e "$DIR/ended" ] && ! held; do
    bound
    [ ! -e "$DIR/news" ] || { rm -f "$DIR/news" && quiet=0; }
    if [ -n "$up" ] && { [ -e "$DIR/again" ] || [ "$quiet" -ge "$RESEND_S" ]; }; then
        rm -f "$DIR/again" && quiet=0
        again
    fi
    [ -n "$up" ] || if say online; then up=yes; else complain; fi
    if [ -n "$up" ]; then
        status=0
        while [ "$status" -eq 0 ]; do send; status=$?; done
        # What the broker had may be gone with it.
        if [ "$status" -eq 2 ]; then up= && : >"$DIR/again" && complain; else told=; fi
    fi
    sleep 1
    quiet=$((quiet + 1))
done
finish
