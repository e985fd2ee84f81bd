#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# ARCHITECTURE.md and HACKING.md repeat what tables and folders of the tree say: layers and
# their libraries, folders of tests, fault points, numbers.  They say the same, and each
# file and function that they name exists.
cd "${srcdir:-.}" || exit 1
layers=tests/lint/layers.txt
libraries=tests/lint/libraries.txt
status=0

# WHAT, WHERE-IT-IS-TRUE, its lines, DOCUMENT, its lines.
compare() {
	if [ -z "$3" ] || [ "$3" != "$5" ]; then
		printf '%s: %s has:\n%s\n%s has:\n%s\n\n' "$1" "$2" "$3" "$4" "$5"
		status=1
	fi
}

# DOCUMENT HEAD: the rows of the table under the heading row that begins with HEAD.
rows_of() {
	awk -v head="$2" '
		index($0, head) == 1 { inside = 1; next }
		inside && !/^\|/ { inside = 0 }
		inside && !/^\| ---/ { print }' "$1"
}

names_in() { # COLUMN, of rows of a table: what stands in backticks there
	awk -F '|' -v column="$1" '{ print $(column + 1) }' | grep -o '`[^`]*`' | tr -d '`'
}

# ---- layers ----

table=$(rows_of ARCHITECTURE.md '| layer |')
compare layers $layers "$(sed -n 's/^\([a-z]*\):.*/\1/p' $layers | grep -vx agents | sort)" \
	ARCHITECTURE.md "$(echo "$table" | names_in 1 | sort)"

# "layer library" of each.
compare "libraries of layers" $libraries "$(sed -n '/^[a-z]/p' $libraries | while IFS=: read -r name files; do
	for file in $files; do
		case $name in
		uv.h*) library=libuv ;;
		sqlite3.h*) library=SQLite ;;
		curl/*) library=libcurl ;;
		microhttpd.h*) library=libmicrohttpd ;;
		gnutls/*) library=GnuTLS ;;
		wslay/*) library=libwslay ;;
		netlink/*) library=libnl ;;
		systemd/*) library=libsystemd ;;
		*) library=${name%% *} ;;
		esac
		case $file in migrd/*/*) echo "$(echo "$file" | cut -d/ -f2) $library" ;; esac
	done
done | grep -v json-c | sort -u)" ARCHITECTURE.md "$(echo "$table" | awk -F '|' '{
	gsub(/[` ]/, "", $2)
	count = split($4, library, ",")
	for (i = 1; i <= count; i++) {
		gsub(/ /, "", library[i])
		if (library[i] != "")
			print $2, library[i]
	} }' | sort -u)"

# ---- tests ----

compare "folders of tests" tests "$(find tests -mindepth 1 -maxdepth 1 -type d | sort)" \
	HACKING.md "$(rows_of HACKING.md '| folder |' | names_in 1 | sort)"

# ---- fault points ----

documented=$(grep '^| `[a-z]*\.[a-zA-Z]' HACKING.md | names_in 1 | sort -u)
# What is a name in the code, and what has a part that is a name of something.
compare "fault points" "the code" "$(grep -rhoE 'fault_hit\("[a-z.]+"' migrd --include='*.c' |
	cut -d'"' -f2 | sort -u)" HACKING.md "$(echo "$documented" | grep -v '[A-Z]')"
compare "fault points with names" "the code" "$({
	grep -rhoE '"(api|images|notify|peer|qmp|store|stream|tpm)\.[a-z.]*%s[a-z.%]*"' migrd --include='*.c' |
		tr -d '"' | cut -d. -f1
	grep -ohE '\.name = "((move|save)\.[a-z]+|refresh|vmbackup|queue|evacuation|maintenance)"' migrd/move/record.c migrd/queue/entry.c \
		migrd/refresh/job.c migrd/vmbackup/job.c migrd/save/job.c migrd/evacuation/record.c migrd/maintenance/record.c |
		cut -d'"' -f2 | cut -d. -f1
} | sort -u)" HACKING.md "$(echo "$documented" | grep '[A-Z]' | cut -d. -f1 | sort -u)"
compare "requests of peers" migrd/api/routes.c \
	"$({ grep -oE '"/peer/v1/[a-z]+(/[^"]*)?"' migrd/api/routes.c | tr -d '"' |
		sed 's|^/peer/v1/\([a-z]*\)/[a-z]*$|\1|; s|.*/||; s/^{.*/fate/'; } | sort -u)" \
	HACKING.md "$(sed -n 's/^NAME is \(.*\)\.  *A message.*/\1/p' HACKING.md | grep -o '`[^`]*`' | tr -d '`' | sort -u)"

# ---- what is named ----

for document in ARCHITECTURE.md HACKING.md; do
	# Files and folders: of the tree, or of migrd/ where a layer begins the name.
	for name in $(grep -o '`[a-zA-Z0-9_./-]*`' $document | tr -d '`' | sort -u); do
		case $name in
		# Of the host, an option, a route, a name that the reader makes up.
		/* | -* | */v1/* | */ | ./* | *.log | *_x.c | *NAME*) continue ;;
		test_*)
			[ -e "tests/unit/$name.c" ] || [ -e "tests/system/$name.py" ] ||
				grep -rq --include='test_*.py' "def $name" tests/system || {
				echo "$document names the test '$name', which does not exist"
				status=1
			}
			continue
			;;
		*/* | *.md | *.c | *.h | *.sh | *.txt | *.py) ;;
		*) continue ;;
		esac
		[ -e "$name" ] || [ -e "migrd/$name" ] || [ -e "tests/$name" ] || {
			echo "$document names '$name', which does not exist"
			status=1
		}
	done
	for name in $(grep -oE '`[a-z_0-9]+\(\)`' $document | tr -d '`()' | sort -u); do
		grep -rqw --include='*.[ch]' "$name" migrd tests/lib || {
			echo "$document names '$name()', which does not exist"
			status=1
		}
	done
done

# ---- numbers of ARCHITECTURE.md: its words, the file, the line there ----

text=$(tr -s '\n ' ' ' <ARCHITECTURE.md)
while IFS='|' read -r words file line; do
	case $text in
	*"$words"*) ;;
	*) echo "ARCHITECTURE.md does not say '$words' any more: tests/lint/check-docs.sh"; status=1 ;;
	esac
	tr -s ' \t' ' ' <"migrd/$file" | grep -qF "$line" || {
		echo "ARCHITECTURE.md says '$words': migrd/$file has no '$line'"
		status=1
	}
done <<'END'
Viewers may have 2 MiB a second|http/inbox.c|[HTTP_CLASS_VIEWER] = { 2, 2 << 10 }
operators 1 MiB|http/inbox.c|[HTTP_CLASS_OPERATOR] = { 4, 1 << 10 }
read 16 messages a turn|qmp/conn.c|#define TURN_MESSAGES 16
200 a second|qmp/conn.c|#define MESSAGE_MS 5
16 KiB a turn|qga/conn.c|#define READ_BYTES 16384
a turn and 1 MiB a second|qga/conn.c|#define BYTES_PER_S (1u << 20)
peers 8 a turn|multi/multi.c|#define ANSWERS_PER_TURN 8
at most 10,000 values|base/json_parse.c|.max_values = 10000
of which one peer can hold two|move/moves.c|#define LOOKS_OF_A_PEER 2
on disk, or after 1 s|qemu/qemu.c|#define WORDS_PATIENCE_MS 1000
an eighth of the allowed stop|converge/converge.c|#define FIRST_DIVISOR 8
takes 3 % longer at most|converge/converge.c|#define LONGER_PERCENT 3
may have 256 such|move/moves_peer.c|#define UNSETTLED_MAX 256
the newest 1,000|store/store.h|#define STORE_HISTORY_MAX 1000
lease of 2 s|move/lease.c|#define LEASE_MS 2000
(every 0.5 s)|move/src_priv.h|#define TICK_MS 500
each tries every 2 s|move/lease.c|#define PROBE_EVERY_MS 2000
END
exit $status
