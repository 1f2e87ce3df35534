# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_patterns_global_optspecs
    string join \n h/help V/version
end

function __fish_patterns_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_patterns_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_patterns_using_subcommand
    set -l cmd (__fish_patterns_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c patterns -n "__fish_patterns_needs_command" -s h -l help -d 'Print help'
complete -c patterns -n "__fish_patterns_needs_command" -s V -l version -d 'Print version'
complete -c patterns -n "__fish_patterns_needs_command" -f -a "adapt-metrics" -d 'Turns StatsD, JMX and application statistics into one page of Prometheus metrics'
complete -c patterns -n "__fish_patterns_needs_command" -f -a "ambassador-redis" -d 'Makes a Redis primary with replicas look like one Redis on localhost, reads and writes split'
complete -c patterns -n "__fish_patterns_needs_command" -f -a "probe" -d 'Ask a running mode for its health: the probe of a container without curl or a shell'
complete -c patterns -n "__fish_patterns_needs_command" -f -a "config" -d 'Look at settings: print those in force, check a file, print the schema'
complete -c patterns -n "__fish_patterns_needs_command" -f -a "completions" -d 'Print the completions of a shell'
complete -c patterns -n "__fish_patterns_needs_command" -f -a "man" -d 'Write the man pages into a directory'
complete -c patterns -n "__fish_patterns_needs_command" -f -a "install-links" -d 'Make links to this binary, named by the modes'
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics" -l statsd-listen -d 'UDP address for StatsD; `off` for none. Without any listener and any source it is :9125' -r
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics" -l statsd-receive-buffer -d 'Receive buffer that is asked of the kernel for StatsD datagrams; 0 leaves its default' -r
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics" -l statsd-naming -d 'How StatsD names are formed: exact as statsd_exporter does, uniform with base units and _total' -r -f -a "exact\t'As statsd_exporter names them, letter for letter'
uniform\t'In snake case, with base units and `_total` added where they are missing'"
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics" -l statsd-ttl -d 'How long a StatsD series without samples stays on the page; 0 is for ever' -r
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics" -l series-limit -d 'The most series in all; further ones go to the overflow series of their family, or are dropped and counted' -r
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics" -l series-limit-per-family -d 'The most series of one family' -r
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics" -l series-limit-per-source -d 'The most series of one source' -r
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics" -l config -d 'Settings file (YAML) with a section per mode; its keys are the long names of the options' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics" -l log -d 'What to log: a level (error, warn, info, debug, trace) or a filter such as `info,patterns::core=debug`' -r
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics" -l log-format -d 'How to log: text for people, json for machines, auto for text on a terminal and json elsewhere' -r -f -a "auto\t'Text on a terminal, JSON elsewhere'
text\t'For people'
json\t'One JSON object a line'"
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics" -l drain-timeout -d 'How long to finish what is in flight after SIGTERM before it is cut' -r
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics" -l termination-log -d 'Where to leave the reason of a fatal exit, if the file exists' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics" -l http-bind -d 'Where to serve /livez, /readyz, /startupz, /metrics and the status page; `off` for nowhere' -r
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis" -l listen -d 'Where the application finds its Redis' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis" -l primary -d 'The primary; whether it is one is verified, and a demotion is noticed' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis" -l replica -d 'A replica of that primary; may be given several times' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis" -l upstream -d 'A server whose role is to be found out; a name may stand for many addresses, and is resolved again and again' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis" -l sentinel -d 'A Sentinel; may be given several times' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis" -l sentinel-primary -d 'The name that the Sentinels have for the primary' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis" -l sentinel-password-file -d 'File with the password of the Sentinels' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis" -l upstream-username -d 'The user that the ambassador is to the servers' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis" -l upstream-password-file -d 'File with the password for the servers; without it clients authenticate themselves' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis" -l read-from -d 'Who answers reads: primary, prefer-primary, replica, prefer-replica, any' -r -f -a "primary\t'Only the primary'
prefer-primary\t'The primary; a replica while the primary cannot be reached'
replica\t'Only replicas'
prefer-replica\t'A replica; the primary if no replica may answer'
any\t'Whoever has least to do, the primary included'"
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis" -l consistency -d 'What a read may miss: nothing that this ambassador\'s clients were told (proxy), nothing that its own connection was told (session), anything (eventual); `primary` reads from the primary only' -r -f -a "eventual\t'A replica may answer whatever it has'
session\t'A client connection sees all that it has seen or written before'
proxy\t'Every client of this ambassador sees what any of them was told before'
primary\t'Only the primary answers'"
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis" -l max-replica-lag -d 'How far a replica may trail behind the primary, in bytes of the replication stream, and still answer' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis" -l failover-hold -d 'How long requests wait for a primary that was there before, until they are answered with an error' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis" -l connect-timeout -d 'How long a connection attempt to a server may take' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis" -l reply-timeout -d 'How long a server may leave a request unanswered before its connection is given up; 0 for ever' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis" -l probe-period -d 'How often the role and the offset of each server are asked for' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis" -l probe-timeout -d 'How long a server may take to answer a probe' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis" -l deny -d 'Commands that are refused; a comma between two' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis" -l max-bulk -d 'The longest argument that a client may send' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis" -l max-clients -d 'The most clients at a time' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis" -l idle-timeout -d 'Close clients that send nothing for this long; 0 for never' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis" -l workers -d 'Threads that carry requests. One is as fast as one Redis, and keeps the order in which different clients have sent their requests; more of them help when several replicas share the reads' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis" -l config -d 'Settings file (YAML) with a section per mode; its keys are the long names of the options' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis" -l log -d 'What to log: a level (error, warn, info, debug, trace) or a filter such as `info,patterns::core=debug`' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis" -l log-format -d 'How to log: text for people, json for machines, auto for text on a terminal and json elsewhere' -r -f -a "auto\t'Text on a terminal, JSON elsewhere'
text\t'For people'
json\t'One JSON object a line'"
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis" -l drain-timeout -d 'How long to finish what is in flight after SIGTERM before it is cut' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis" -l termination-log -d 'Where to leave the reason of a fatal exit, if the file exists' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis" -l http-bind -d 'Where to serve /livez, /readyz, /startupz, /metrics and the status page; `off` for nowhere' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patterns -n "__fish_patterns_using_subcommand probe" -l http-bind -d 'Where the mode serves HTTP, if it was set by a flag' -r
complete -c patterns -n "__fish_patterns_using_subcommand probe" -l timeout -d 'How long to wait for the answer' -r
complete -c patterns -n "__fish_patterns_using_subcommand probe" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patterns -n "__fish_patterns_using_subcommand config; and not __fish_seen_subcommand_from print check schema" -s h -l help -d 'Print help'
complete -c patterns -n "__fish_patterns_using_subcommand config; and not __fish_seen_subcommand_from print check schema" -f -a "print" -d 'Print the settings in force, each with where it came from'
complete -c patterns -n "__fish_patterns_using_subcommand config; and not __fish_seen_subcommand_from print check schema" -f -a "check" -d 'Check a settings file, and tell every mistake with its line'
complete -c patterns -n "__fish_patterns_using_subcommand config; and not __fish_seen_subcommand_from print check schema" -f -a "schema" -d 'Print the JSON Schema of the settings file'
complete -c patterns -n "__fish_patterns_using_subcommand config; and __fish_seen_subcommand_from print" -s h -l help -d 'Print help'
complete -c patterns -n "__fish_patterns_using_subcommand config; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c patterns -n "__fish_patterns_using_subcommand config; and __fish_seen_subcommand_from schema" -s h -l help -d 'Print help'
complete -c patterns -n "__fish_patterns_using_subcommand completions" -s h -l help -d 'Print help'
complete -c patterns -n "__fish_patterns_using_subcommand man" -s h -l help -d 'Print help'
complete -c patterns -n "__fish_patterns_using_subcommand install-links" -s h -l help -d 'Print help'
