# Completion of lunette for bash.  Commands and options are asked of the program, so there is no list here to
# grow old; runs are those of the store that the configuration here names.

_lunette_runs() { "$1" runs --json 2>/dev/null | sed -n '1,50s/^{"run":"\([^"]*\)".*/\1/p'; }

_lunette() {
  local program=${COMP_WORDS[0]} command=${COMP_WORDS[1]} word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W "$("$program" --help | sed -n 's/^  \([a-z]*\) .*/\1/p') --help --version" -- "$word")
    return
  fi
  local options
  options=$("$program" "$command" --options </dev/null 2>/dev/null) || return
  case $options in
    *"$before="*) [ "${before#--}" = "$before" ] || { mapfile -t COMPREPLY < <(compgen -f -- "$word"); return; } ;;
  esac
  case $word in
    -*) mapfile -t COMPREPLY < <(compgen -W "${options//=/}" -- "$word") ;;
    *)
      case $command in
        show | resume | cancel | watch | replay | undo | migrate | signal)
          mapfile -t COMPREPLY < <(compgen -W "last $(_lunette_runs "$program")" -- "$word") ;;
        *) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
      esac ;;
  esac
}
complete -F _lunette lunette
