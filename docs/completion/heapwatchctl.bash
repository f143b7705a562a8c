# bash completion for heapwatchctl                         -*- shell-script -*-

# Ids and targets are asked of whatever source the line so far names.
_heapwatchctl_field() {
	local source=() i
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-H | --host | -D | --directory | --root | --ca-file | --cert-file | --key-file | --user | --password-file)
			source+=("${COMP_WORDS[i]}" "${COMP_WORDS[i + 1]}") ;;
		esac
	done
	heapwatchctl "${source[@]}" -q --no-pager -F "$1" 2>/dev/null
}

_heapwatchctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command='' i
	local commands='list info export verify pin unpin rm vacuum keygen analyze diff retainers
		leaks convert discover rules capture peek profile gc'
	local flags='--host --directory --root --since --until --reverse --field --json --no-pager
		--no-legend --quiet --output --identity --raw --scripts --off --max-use --keep-free
		--max-age --max-files --top --class --node --threads --memory-max --spill
		--index --no-index --match --samples --explain --isolate --duration --interval
		--stack-depth --stacks --objects --format --wait --extras --strings --collections --variables --allocations
		--source-map-dir --root --ca-file --cert-file --key-file --user --password-file --help --version'
	local members='id name kind target isolate address runtime runtime_version engine
		engine_version pid rule step requested_by cause heap_used_bytes heap_limit_bytes started_wall_ms
		duration_ns pause_ns size_bytes file_bytes sha256 redact redact_allow_names redact_allow_sha256 compress
		compress_level encrypt recipients
		scripts_name series ids pinned source received_bytes verdict'

	COMPREPLY=()
	case $prev in
	-o | --output | -i | --identity | --samples | --ca-file | --cert-file | --key-file | --password-file)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return ;;
	-D | --directory | --root | --spill | --index | --source-map-dir)
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return ;;
	-F | --field)
		mapfile -t COMPREPLY < <(compgen -W "$members" -- "$cur")
		return ;;
	--json)
		mapfile -t COMPREPLY < <(compgen -W 'short pretty off' -- "$cur")
		return ;;
	-S | --since | -U | --until)
		mapfile -t COMPREPLY < <(compgen -W 'today yesterday -1h -1d' -- "$cur")
		return ;;
	--match)
		mapfile -t COMPREPLY < <(compgen -W 'auto ids paths classes' -- "$cur")
		return ;;
	--objects)
		mapfile -t COMPREPLY < <(compgen -W 'live all' -- "$cur")
		return ;;
	--format)
		mapfile -t COMPREPLY < <(compgen -W 'heapprofile pprof heapprofile,pprof' -- "$cur")
		return ;;
	-H | --host | -n | --max-use | --keep-free | --max-age | --max-files | --top | \
	--class | --node | --threads | --memory-max | --isolate | --duration | --interval | \
	--stack-depth | --user)
		return ;;
	esac
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$cur")
		return
	fi
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [[ " $commands " == *" ${COMP_WORDS[i]} "* ]]; then
			command=${COMP_WORDS[i]}
			break
		fi
	done
	case $command in
	'') mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$cur") ;;
	rules)
		if [[ $prev == rules ]]; then
			mapfile -t COMPREPLY < <(compgen -W 'test' -- "$cur")
		else
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		fi ;;
	list | gc) mapfile -t COMPREPLY < <(compgen -W "$(_heapwatchctl_field target)" -- "$cur") ;;
	capture)
		mapfile -t COMPREPLY < <(compgen -W \
			"snapshot diagnostics sampling timeline tracking $(_heapwatchctl_field target)" -- "$cur") ;;
	profile)
		mapfile -t COMPREPLY < <(compgen -f -W 'top diff flame pprof' -- "$cur") ;;
	info | export | verify | pin | unpin | rm)
		mapfile -t COMPREPLY < <(compgen -W "$(_heapwatchctl_field id)" -- "$cur") ;;
	esac
}

complete -F _heapwatchctl heapwatchctl
