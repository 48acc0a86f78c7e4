# bash completion for zcopy. The list below is word for word what --help shows (a unit test compares).
# shellcheck shell=bash

_zcopy()
{
	local options='
		--recursive
		--archive
		--no-dereference
		--dereference
		--link
		--symbolic-link
		--one-file-system
		--parents
		--copy-contents
		--keep-directory-symlink
		--strip-trailing-slashes
		--exclude=GLOB
		--include=GLOB
		--exclude-from=FILE
		--files-from=FILE
		--null
		--force
		--interactive
		--no-clobber
		--update[=all|none|none-fail|older]
		--backup[=none|off|simple|never|existing|nil|numbered|t]
		--suffix=SUFFIX
		--remove-destination
		--preserve[=LIST]
		--no-preserve=LIST
		--attributes-only
		--context[=CTX]
		--target-directory=DIR
		--no-target-directory
		--durability=none|data|full
		--resume[=verify]
		--inplace
		--on-change=retry|warn|fail
		--on-read-error=fail|zero|skip
		--verify
		--hash=xxh3|crc32c|sha256
		--manifest=FILE
		--allow-mounted
		--sandbox[=auto|require|off]
		--engine=auto|uring|sync
		--route=auto|reflink|cfr|sendfile|splice|buffer
		--reflink[=auto|always|never]
		--sparse=never|auto|always
		--direct=auto|always|never
		--cache=auto|keep|drop
		--block-size=SIZE
		--queue-depth=N
		--jobs=N
		--hugepages=auto|never|SIZE
		--numa=auto|off|NODE
		--pool=SIZE
		--limit=RATE
		--buffer=SIZE
		--tee=END[,POLICY]
		--expect-size=SIZE
		--expect-hash=ALG:HEX
		--io-timeout=T
		--stable
		--size=SIZE
		--runs=N
		--via=ARMS
		--warm
		--seed=N
		--verbose
		--debug
		--quiet
		--progress[=auto|always|never|json]
		--stats
		--report=FILE
		--explain
		--dry-run
		--help
		--version
	'
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local option='' line name names='' values=''

	COMPREPLY=()
	# bash hands "--engine=ur" over as three words: --engine = ur
	if [[ $cur == = ]]; then
		option=$prev cur=''
	elif [[ $prev == = ]]; then
		option=${COMP_WORDS[COMP_CWORD - 2]}
	elif [[ $prev == -t ]]; then
		option=--target-directory
	elif [[ $prev == --* && $options == *[[:space:]]"$prev"=* ]]; then
		option=$prev # its argument may also be the next word
	fi

	for line in $options; do
		name=${line%%=*}
		name=${name%\[}
		if [[ $name == "$option" && $line == *=* ]]; then
			values=${line#*=}
			values=${values%]}
		fi
		[[ $line != "$name"=* ]] || name="$name="
		names+="$name "
	done

	case $values in
	'') [[ $option || $cur != -* ]] || mapfile -t COMPREPLY < <(compgen -W "$names" -- "$cur") ;;
	FILE) ;; # what readline does anyway
	DIR)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		;;
	LIST) mapfile -t COMPREPLY < <(compgen -W 'mode ownership timestamps links context xattr all' -- "$cur") ;;
	*) # words, and what stands for a number in capitals
		values=" ${values//|/ } "
		values=${values//[[:space:]][[:upper:]]*[[:space:]]/ }
		mapfile -t COMPREPLY < <(compgen -W "$values" -- "$cur")
		;;
	esac
	[[ ${COMPREPLY[*]} != *= ]] || compopt -o nospace
}
complete -o bashdefault -o default -F _zcopy zcopy
