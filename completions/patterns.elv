
use builtin;
use str;

set edit:completion:arg-completer[patterns] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'patterns'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'patterns'= {
            cand -h 'Print help'
            cand --help 'Print help'
            cand -V 'Print version'
            cand --version 'Print version'
            cand adapt-metrics 'Turns StatsD, JMX and application statistics into one page of Prometheus metrics'
            cand ambassador-redis 'Makes a Redis primary with replicas look like one Redis on localhost, reads and writes split'
            cand probe 'Ask a running mode for its health: the probe of a container without curl or a shell'
            cand config 'Look at settings: print those in force, check a file, print the schema'
            cand completions 'Print the completions of a shell'
            cand man 'Write the man pages into a directory'
            cand install-links 'Make links to this binary, named by the modes'
        }
        &'patterns;adapt-metrics'= {
            cand --statsd-listen 'UDP address for StatsD; `off` for none. Without any listener and any source it is :9125'
            cand --statsd-receive-buffer 'Receive buffer that is asked of the kernel for StatsD datagrams; 0 leaves its default'
            cand --statsd-naming 'How StatsD names are formed: exact as statsd_exporter does, uniform with base units and _total'
            cand --statsd-ttl 'How long a StatsD series without samples stays on the page; 0 is for ever'
            cand --series-limit 'The most series in all; further ones go to the overflow series of their family, or are dropped and counted'
            cand --series-limit-per-family 'The most series of one family'
            cand --series-limit-per-source 'The most series of one source'
            cand --config 'Settings file (YAML) with a section per mode; its keys are the long names of the options'
            cand --log 'What to log: a level (error, warn, info, debug, trace) or a filter such as `info,patterns::core=debug`'
            cand --log-format 'How to log: text for people, json for machines, auto for text on a terminal and json elsewhere'
            cand --drain-timeout 'How long to finish what is in flight after SIGTERM before it is cut'
            cand --termination-log 'Where to leave the reason of a fatal exit, if the file exists'
            cand --http-bind 'Where to serve /livez, /readyz, /startupz, /metrics and the status page; `off` for nowhere'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'patterns;ambassador-redis'= {
            cand --listen 'Where the application finds its Redis'
            cand --primary 'The primary; whether it is one is verified, and a demotion is noticed'
            cand --replica 'A replica of that primary; may be given several times'
            cand --upstream 'A server whose role is to be found out; a name may stand for many addresses, and is resolved again and again'
            cand --sentinel 'A Sentinel; may be given several times'
            cand --sentinel-primary 'The name that the Sentinels have for the primary'
            cand --sentinel-password-file 'File with the password of the Sentinels'
            cand --upstream-username 'The user that the ambassador is to the servers'
            cand --upstream-password-file 'File with the password for the servers; without it clients authenticate themselves'
            cand --read-from 'Who answers reads: primary, prefer-primary, replica, prefer-replica, any'
            cand --consistency 'What a read may miss: nothing that this ambassador''s clients were told (proxy), nothing that its own connection was told (session), anything (eventual); `primary` reads from the primary only'
            cand --max-replica-lag 'How far a replica may trail behind the primary, in bytes of the replication stream, and still answer'
            cand --failover-hold 'How long requests wait for a primary that was there before, until they are answered with an error'
            cand --connect-timeout 'How long a connection attempt to a server may take'
            cand --reply-timeout 'How long a server may leave a request unanswered before its connection is given up; 0 for ever'
            cand --probe-period 'How often the role and the offset of each server are asked for'
            cand --probe-timeout 'How long a server may take to answer a probe'
            cand --deny 'Commands that are refused; a comma between two'
            cand --max-bulk 'The longest argument that a client may send'
            cand --max-clients 'The most clients at a time'
            cand --idle-timeout 'Close clients that send nothing for this long; 0 for never'
            cand --workers 'Threads that carry requests. One is as fast as one Redis, and keeps the order in which different clients have sent their requests; more of them help when several replicas share the reads'
            cand --config 'Settings file (YAML) with a section per mode; its keys are the long names of the options'
            cand --log 'What to log: a level (error, warn, info, debug, trace) or a filter such as `info,patterns::core=debug`'
            cand --log-format 'How to log: text for people, json for machines, auto for text on a terminal and json elsewhere'
            cand --drain-timeout 'How long to finish what is in flight after SIGTERM before it is cut'
            cand --termination-log 'Where to leave the reason of a fatal exit, if the file exists'
            cand --http-bind 'Where to serve /livez, /readyz, /startupz, /metrics and the status page; `off` for nowhere'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'patterns;probe'= {
            cand --http-bind 'Where the mode serves HTTP, if it was set by a flag'
            cand --timeout 'How long to wait for the answer'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'patterns;config'= {
            cand -h 'Print help'
            cand --help 'Print help'
            cand print 'Print the settings in force, each with where it came from'
            cand check 'Check a settings file, and tell every mistake with its line'
            cand schema 'Print the JSON Schema of the settings file'
        }
        &'patterns;config;print'= {
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'patterns;config;check'= {
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'patterns;config;schema'= {
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'patterns;completions'= {
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'patterns;man'= {
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'patterns;install-links'= {
            cand -h 'Print help'
            cand --help 'Print help'
        }
    ]
    $completions[$command]
}
