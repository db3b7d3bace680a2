#compdef lunette
# Completion of lunette for zsh.  Commands and options are asked of the program, so there is no list here to grow
# old; runs are those of the store that the configuration here names.

local program=${words[1]} command=${words[2]} before=${words[CURRENT-1]}
if (( CURRENT == 2 )); then
  local -a known=(${(f)"$($program --help | sed -n 's/^  \([a-z]*\)  *\(.*\)/\1:\2/p')"})
  _describe command known
  return
fi
local -a takes=(${(f)"$($program $command --options </dev/null 2>/dev/null)"})
if (( ${takes[(I)$before=]} )); then
  _files
elif [[ $PREFIX == -* ]]; then
  compadd -- ${takes%=}
else
  case $command in
    (show|resume|cancel|watch|replay|undo|migrate|signal)
      compadd -- last ${(f)"$($program runs --json 2>/dev/null | sed -n '1,50s/^{"run":"\([^"]*\)".*/\1/p')"} ;;
    (*) _files ;;
  esac
fi
