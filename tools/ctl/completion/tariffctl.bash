# SPDX-License-Identifier: Apache-2.0
# Completion of tariffctl for bash. Commands and options come from tariffctl itself, so they are
# those of the installed version; ids, classes and functions come from the agent, if one answers.

_tariffctl()
{
    local current previous words cword word command='' kind=''
    if declare -F _init_completion >/dev/null; then
        _init_completion -n =: 2>/dev/null || return
        current=$cur previous=$prev
    else
        words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
        current=${words[cword]} previous=${words[cword-1]}
    fi

    local i
    for ((i = 1; i < cword; i++)); do
        word=${words[i]}
        case $word in
            --socket | --timeout) ((i++)) ;;
            -*) ;;
            *) command=$word; break ;;
        esac
    done

    case $previous in
        --class) kind=classes ;;
        --function) kind=functions ;;
        --payload-file | --config | --socket) COMPREPLY=($(compgen -f -- "$current")); return ;;
        --payload | --id | --deadline | --delay | --timeout | --limit) return ;;
    esac
    if [[ -z $kind ]]; then
        if [[ $current == -* ]]; then
            kind="options $command"
        elif [[ -z $command ]]; then
            kind=commands
        else
            case $command in
                run) kind=functions ;;
                wait | job | logs) kind=jobs ;;
                cancel | watch) kind=live ;;
                check-config) COMPREPLY=($(compgen -f -- "$current")); return ;;
                *) return ;;
            esac
        fi
    fi
    # shellcheck disable=SC2086,SC2207  # two words on purpose; names hold no blanks
    COMPREPLY=($(compgen -W "$("${words[0]}" complete-words $kind 2>/dev/null)" -- "$current"))
}

complete -F _tariffctl tariffctl
