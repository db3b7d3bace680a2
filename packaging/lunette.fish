# Completion of lunette for fish.  Commands and options are asked of the program, so there is no list here to grow
# old; runs are those of the store that the configuration here names.

function __lunette_command
    set -l words (commandline -opc)
    set -q words[2]; and echo $words[2]
end

function __lunette_options
    lunette (__lunette_command) --options </dev/null 2>/dev/null | string replace '=' ''
end

function __lunette_runs
    echo last
    lunette runs --json 2>/dev/null | head -50 | string replace -rf '^\{"run":"([^"]*)".*' '$1'
end

complete -c lunette -n 'not __lunette_command' -f -a "(lunette --help | string replace -rf '^  ([a-z]+) +(.*)' '\$1\t\$2')"
complete -c lunette -n '__lunette_command' -a '(__lunette_options)'
complete -c lunette -n 'contains -- (__lunette_command) show resume cancel watch replay undo migrate signal' -f -a '(__lunette_runs)'
