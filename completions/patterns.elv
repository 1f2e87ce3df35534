
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
            cand sync-git 'Sidecar: keeps a shared volume in step with a git repository, atomically'
            cand ambassador-redis 'Makes a Redis primary with replicas look like one Redis on localhost, reads and writes split'
            cand adapt-metrics 'Turns StatsD, JMX and application statistics into one page of Prometheus metrics'
            cand probe 'Ask a running mode for its health: the probe of a container without curl or a shell'
            cand config 'Look at settings: print those in force, check a file, print the schema'
            cand completions 'Print the completions of a shell'
            cand man 'Write the man pages into a directory'
            cand install-links 'Make links to this binary, named by the modes'
        }
        &'patterns;sync-git'= {
            cand --repo 'The repository: https, http, ssh, git or file URL, `user@host:path`, or a path'
            cand --ref 'What to follow: a branch, a tag, a full hash, or HEAD for the remote''s default branch'
            cand --depth 'How many commits of history to keep; 0 keeps all'
            cand --filter 'Fetch with this partial-clone filter (blob:none, tree:0, …); what the tree needs comes in one further request'
            cand --sparse-checkout-file 'A file with git''s sparse-checkout patterns: only what they let through is written'
            cand --submodules 'Which submodules to write'
            cand --root 'The directory that holds the store, the trees and, unless --link is absolute, the link'
            cand --link 'The symbolic link to publish, absolute or relative to --root [default: the last part of --repo]'
            cand --stale-worktree-timeout 'How long a replaced tree stays; 0 removes it at once'
            cand --keep-worktrees 'How many replaced trees stay at least, the newest first, whatever their age'
            cand --git-gc 'When to drop objects that no kept tree needs'
            cand --reuse 'How unchanged files come into the next tree'
            cand --group-write 'Make everything that is written writable for the group'
            cand --touch-file 'A file to touch after each sync that changed something, absolute or relative to --root'
            cand --error-file 'A file that holds the last error as JSON and is removed after a success, absolute or relative to --root'
            cand --period 'The pause after a sync'
            cand --init-period 'The pause until the first success [default: --period]'
            cand --one-time 'Sync once, then exit'
            cand --sync-timeout 'The time for all of one sync'
            cand --max-failures 'How many syncs may fail in a row before the process exits with 1: 0 and 1 exit at the first failure, negative never'
            cand --init-max-failures 'The same before the first success [default: --max-failures]'
            cand --sync-on-signal 'A signal (SIGHUP, HUP or its number) that starts a sync at once'
            cand --sync-token-file 'A file with the token or webhook secret for POST /sync, which starts a sync at once; without it only this machine may ask'
            cand --max-staleness 'Not ready any more when the last success is older than this; 0: never'
            cand --verify-interval 'How often to compare every published file with the commit; 0 only at start'
            cand --exechook-command 'A program to run after each sync that changed something, in the new tree, without a shell; it must be idempotent'
            cand --exechook-timeout 'How long that program may take'
            cand --exechook-backoff 'How long to wait before it is tried again after a failure'
            cand --pre-publish-exechook-command 'A program to run in a new tree before the link turns to it'
            cand --pre-publish-exechook-timeout 'How long that program may take'
            cand --pre-publish-exechook-backoff 'How long to wait before it is tried again after a failure'
            cand --pre-publish-exechook-gate 'Publish only what the pre-publish program accepts: wait for it, and keep the old tree when it fails'
            cand --webhook-url 'A URL to call after each sync that changed something; it must be idempotent'
            cand --webhook-method 'The method of that call'
            cand --webhook-success-status 'The status that means success; 0 or -1: any answer will do'
            cand --webhook-timeout 'How long that call may take'
            cand --webhook-backoff 'How long to wait before it is tried again after a failure'
            cand --username 'The user name for --repo; the password comes from --password-file or $GITSYNC_PASSWORD'
            cand --password '`$GITSYNC_PASSWORD`; git-sync still takes it as a flag, too, under two names'
            cand --password-file 'A file with the password or token; it is read again before each sync'
            cand --credential 'Credentials for further URLs (submodules), as JSON: one object or a list of objects with the keys url, username, and password or password-file'
            cand --askpass-url 'A URL that answers with lines username=… and password=…, asked before each sync'
            cand --cookie-file 'Send the cookies of /etc/git-secret/cookie_file'
            cand --ssh-key-file 'A private key for ssh; several are tried in order'
            cand --ssh-known-hosts 'Talk only to hosts that the known_hosts file vouches for'
            cand --ssh-known-hosts-file 'The known_hosts file'
            cand --github-app-application-id 'The id of a GitHub App to authenticate as'
            cand --github-app-client-id 'The client id of a GitHub App to authenticate as, instead of its application id'
            cand --github-app-installation-id 'The id of that App''s installation'
            cand --github-app-private-key-file 'A file with that App''s private key (PEM)'
            cand --__env__GITSYNC_GITHUB_APP_PRIVATE_KEY '`$GITSYNC_GITHUB_APP_PRIVATE_KEY`, which is no flag of git-sync''s but in its tests'
            cand --github-base-url 'Where GitHub''s API is'
            cand --git-config 'Further settings in git''s own names: `key:value,"quoted key":"value"`; see the manual for those that have a meaning'
            cand --git-config-add 'One such pair; may be repeated'
            cand --symlinks 'What symbolic links in the repository may point at'
            cand --max-pack-bytes 'The largest pack to receive'
            cand --max-objects 'The most objects in one pack'
            cand --max-object-bytes 'The largest single object, unpacked'
            cand --max-tree-bytes 'The largest tree: all its files together, unpacked'
            cand --max-path-depth 'The most directories on a path'
            cand --branch 'branch'
            cand --rev 'rev'
            cand --dest 'dest'
            cand --wait 'Seconds, with a fraction'
            cand --timeout 'Whole seconds'
            cand --max-sync-failures 'max-sync-failures'
            cand --change-permissions 'change-permissions'
            cand --sync-hook-command 'sync-hook-command'
            cand --ssh 'ssh'
            cand --git 'There is no git here to run'
            cand --add-user 'Nothing here looks at /etc/passwd'
            cand --http-metrics 'The metrics are always there'
            cand --http-pprof 'Serves a page of the process'' own figures under git-sync''s path; there is no profiler'
            cand -v 'git-sync''s level: 0 is our info, 1 to 6 debug, more is trace'
            cand --verbose 'git-sync''s level: 0 is our info, 1 to 6 debug, more is trace'
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
            cand --reply-timeout 'How long a server may leave a request unanswered before its connection is given up; 0 for ever, as a Redis would'
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
        &'patterns;adapt-metrics'= {
            cand --statsd-listen 'UDP address for StatsD; `off` for none. Without any listener and any source it is :9125'
            cand --statsd-listen-tcp 'TCP address for StatsD lines; `off` for none'
            cand --statsd-listen-unixgram 'Unix datagram socket to make for StatsD'
            cand --statsd-listen-unix 'Unix stream socket to make for StatsD: lines, or DogStatsD packets with their length in front'
            cand --statsd-unix-mode 'Permissions of the unix sockets, in octal'
            cand --statsd-receive-buffer 'Receive buffer that is asked of the kernel for StatsD datagrams; 0 leaves its default'
            cand --statsd-mapping 'Mapping file in the dialect of statsd_exporter; reloaded when it changes, and at SIGHUP'
            cand --statsd-naming 'How StatsD names are formed: exact as statsd_exporter does, uniform with base units and _total. Without it: exact with a mapping file, else uniform'
            cand --statsd-ttl 'How long a StatsD series without samples stays on the page; 0 is for ever'
            cand --statsd-relay 'Where to send all StatsD lines on, as they came'
            cand --statsd-relay-packet-length 'The longest datagram that is sent on'
            cand --statsd-parse-dogstatsd-tags 'Whether to read DogStatsD tags (`|#k:v`)'
            cand --statsd-parse-influxdb-tags 'Whether to read InfluxDB tags (`name,k=v`)'
            cand --statsd-parse-librato-tags 'Whether to read Librato tags (`name#k=v`)'
            cand --statsd-parse-signalfx-tags 'Whether to read SignalFx tags (`name[k=v]`)'
            cand --graphite-listen 'UDP and TCP address for Graphite''s plaintext, tagged or not; `off` for none'
            cand --graphite-listen-pickle 'TCP address for Graphite''s pickles; `off` for none'
            cand --graphite-mapping 'Mapping file for Graphite names, in the dialect of graphite_exporter; reloaded when it changes, and at SIGHUP'
            cand --graphite-strict 'Whether Graphite names that no mapping matches are dropped'
            cand --influx-listen 'UDP address for InfluxDB''s line protocol; `off` for none'
            cand --influx-http 'Whether to take InfluxDB''s lines over HTTP, at /write and /api/v2/write'
            cand --sample-expiry 'How long a Graphite or InfluxDB series without readings stays on the page'
            cand --statsd-exporter-metrics 'Whether to tell our own counts under the names of statsd_exporter as well'
            cand --metrics-path 'Where to serve the page, beside /metrics'
            cand --lifecycle-for-all 'Whether peers from elsewhere may POST to /-/reload and /-/quit; peers on this machine always may'
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
            cand check 'Checks mapping files: mistakes, rules that nothing reaches, quirks'
            cand explain 'Says what becomes of a StatsD line: samples, every rule tried, the final series'
            cand replay 'Reads captured StatsD lines and prints the page that they give'
            cand diff 'Says which series change between two mapping files, over captured StatsD lines'
            cand dump 'Shows the next StatsD lines that a running adapter receives, as its rules see them'
        }
        &'patterns;adapt-metrics;check'= {
            cand --format 'How to tell it'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'patterns;adapt-metrics;explain'= {
            cand --line 'The line, such as ''web.hits:1|c|#path:/a'''
            cand --statsd-mapping 'Mapping file in the dialect of statsd_exporter'
            cand --statsd-naming 'How names are formed; without it: exact with a mapping file, else uniform'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'patterns;adapt-metrics;replay'= {
            cand --statsd-mapping 'Mapping file in the dialect of statsd_exporter'
            cand --statsd-naming 'How names are formed; without it: exact with a mapping file, else uniform'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'patterns;adapt-metrics;diff'= {
            cand --capture 'A file of StatsD lines, or - for standard input'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'patterns;adapt-metrics;dump'= {
            cand --adapter 'The adapter''s HTTP address on this machine'
            cand --count 'How many lines'
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
