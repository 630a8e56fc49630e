# SPDX-License-Identifier: Apache-2.0
# bash completion for lbctl: lbctl itself knows its verbs, and asks lbd for names.

_lbctl() {
	local line=${COMP_LINE:0:COMP_POINT} current='' found word
	local -a words

	# Not COMP_WORDS: it is split at the colons of addresses and workers.
	read -ra words <<<"$line"
	if [[ $line == *[[:space:]] ]]; then
		words+=('')
	else
		current=${words[-1]}
	fi
	found=$(lbctl --complete "${words[@]:1}" 2>/dev/null)
	if [[ $found == :files ]]; then
		compopt -o default
		return
	fi
	if [[ $found == :users ]]; then
		mapfile -t COMPREPLY < <(compgen -u -- "$current")
		return
	fi
	# Not compgen -W: it would expand what is in the names.
	while IFS= read -r word; do
		[[ -n $word && $word == "$current"* ]] && COMPREPLY+=("$word")
	done <<<"$found"
	# bash replaces only what follows the last colon.
	if [[ $current == *:* && $COMP_WORDBREAKS == *:* ]]; then
		COMPREPLY=("${COMPREPLY[@]#"${current%"${current##*:}"}"}")
	fi
}

complete -F _lbctl lbctl
