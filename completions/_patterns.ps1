
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'patterns' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'patterns'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'patterns' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('adapt-metrics', 'adapt-metrics', [CompletionResultType]::ParameterValue, 'Turns StatsD, JMX and application statistics into one page of Prometheus metrics')
            [CompletionResult]::new('ambassador-redis', 'ambassador-redis', [CompletionResultType]::ParameterValue, 'Makes a Redis primary with replicas look like one Redis on localhost, reads and writes split')
            [CompletionResult]::new('probe', 'probe', [CompletionResultType]::ParameterValue, 'Ask a running mode for its health: the probe of a container without curl or a shell')
            [CompletionResult]::new('config', 'config', [CompletionResultType]::ParameterValue, 'Look at settings: print those in force, check a file, print the schema')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print the completions of a shell')
            [CompletionResult]::new('man', 'man', [CompletionResultType]::ParameterValue, 'Write the man pages into a directory')
            [CompletionResult]::new('install-links', 'install-links', [CompletionResultType]::ParameterValue, 'Make links to this binary, named by the modes')
            break
        }
        'patterns;adapt-metrics' {
            [CompletionResult]::new('--statsd-listen', '--statsd-listen', [CompletionResultType]::ParameterName, 'UDP address for StatsD; `off` for none. Without any listener and any source it is :9125')
            [CompletionResult]::new('--statsd-receive-buffer', '--statsd-receive-buffer', [CompletionResultType]::ParameterName, 'Receive buffer that is asked of the kernel for StatsD datagrams; 0 leaves its default')
            [CompletionResult]::new('--statsd-naming', '--statsd-naming', [CompletionResultType]::ParameterName, 'How StatsD names are formed: exact as statsd_exporter does, uniform with base units and _total')
            [CompletionResult]::new('--statsd-ttl', '--statsd-ttl', [CompletionResultType]::ParameterName, 'How long a StatsD series without samples stays on the page; 0 is for ever')
            [CompletionResult]::new('--series-limit', '--series-limit', [CompletionResultType]::ParameterName, 'The most series in all; further ones go to the overflow series of their family, or are dropped and counted')
            [CompletionResult]::new('--series-limit-per-family', '--series-limit-per-family', [CompletionResultType]::ParameterName, 'The most series of one family')
            [CompletionResult]::new('--series-limit-per-source', '--series-limit-per-source', [CompletionResultType]::ParameterName, 'The most series of one source')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Settings file (YAML) with a section per mode; its keys are the long names of the options')
            [CompletionResult]::new('--log', '--log', [CompletionResultType]::ParameterName, 'What to log: a level (error, warn, info, debug, trace) or a filter such as `info,patterns::core=debug`')
            [CompletionResult]::new('--log-format', '--log-format', [CompletionResultType]::ParameterName, 'How to log: text for people, json for machines, auto for text on a terminal and json elsewhere')
            [CompletionResult]::new('--drain-timeout', '--drain-timeout', [CompletionResultType]::ParameterName, 'How long to finish what is in flight after SIGTERM before it is cut')
            [CompletionResult]::new('--termination-log', '--termination-log', [CompletionResultType]::ParameterName, 'Where to leave the reason of a fatal exit, if the file exists')
            [CompletionResult]::new('--http-bind', '--http-bind', [CompletionResultType]::ParameterName, 'Where to serve /livez, /readyz, /startupz, /metrics and the status page; `off` for nowhere')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'patterns;ambassador-redis' {
            [CompletionResult]::new('--listen', '--listen', [CompletionResultType]::ParameterName, 'Where the application finds its Redis')
            [CompletionResult]::new('--primary', '--primary', [CompletionResultType]::ParameterName, 'The primary; whether it is one is verified, and a demotion is noticed')
            [CompletionResult]::new('--replica', '--replica', [CompletionResultType]::ParameterName, 'A replica of that primary; may be given several times')
            [CompletionResult]::new('--upstream', '--upstream', [CompletionResultType]::ParameterName, 'A server whose role is to be found out; a name may stand for many addresses, and is resolved again and again')
            [CompletionResult]::new('--sentinel', '--sentinel', [CompletionResultType]::ParameterName, 'A Sentinel; may be given several times')
            [CompletionResult]::new('--sentinel-primary', '--sentinel-primary', [CompletionResultType]::ParameterName, 'The name that the Sentinels have for the primary')
            [CompletionResult]::new('--sentinel-password-file', '--sentinel-password-file', [CompletionResultType]::ParameterName, 'File with the password of the Sentinels')
            [CompletionResult]::new('--upstream-username', '--upstream-username', [CompletionResultType]::ParameterName, 'The user that the ambassador is to the servers')
            [CompletionResult]::new('--upstream-password-file', '--upstream-password-file', [CompletionResultType]::ParameterName, 'File with the password for the servers; without it clients authenticate themselves')
            [CompletionResult]::new('--read-from', '--read-from', [CompletionResultType]::ParameterName, 'Who answers reads: primary, prefer-primary, replica, prefer-replica, any')
            [CompletionResult]::new('--consistency', '--consistency', [CompletionResultType]::ParameterName, 'What a read may miss: nothing that this ambassador''s clients were told (proxy), nothing that its own connection was told (session), anything (eventual); `primary` reads from the primary only')
            [CompletionResult]::new('--max-replica-lag', '--max-replica-lag', [CompletionResultType]::ParameterName, 'How far a replica may trail behind the primary, in bytes of the replication stream, and still answer')
            [CompletionResult]::new('--failover-hold', '--failover-hold', [CompletionResultType]::ParameterName, 'How long requests wait for a primary that was there before, until they are answered with an error')
            [CompletionResult]::new('--connect-timeout', '--connect-timeout', [CompletionResultType]::ParameterName, 'How long a connection attempt to a server may take')
            [CompletionResult]::new('--reply-timeout', '--reply-timeout', [CompletionResultType]::ParameterName, 'How long a server may leave a request unanswered before its connection is given up; 0 for ever')
            [CompletionResult]::new('--probe-period', '--probe-period', [CompletionResultType]::ParameterName, 'How often the role and the offset of each server are asked for')
            [CompletionResult]::new('--probe-timeout', '--probe-timeout', [CompletionResultType]::ParameterName, 'How long a server may take to answer a probe')
            [CompletionResult]::new('--deny', '--deny', [CompletionResultType]::ParameterName, 'Commands that are refused; a comma between two')
            [CompletionResult]::new('--max-bulk', '--max-bulk', [CompletionResultType]::ParameterName, 'The longest argument that a client may send')
            [CompletionResult]::new('--max-clients', '--max-clients', [CompletionResultType]::ParameterName, 'The most clients at a time')
            [CompletionResult]::new('--idle-timeout', '--idle-timeout', [CompletionResultType]::ParameterName, 'Close clients that send nothing for this long; 0 for never')
            [CompletionResult]::new('--workers', '--workers', [CompletionResultType]::ParameterName, 'Threads that carry requests. One is as fast as one Redis, and keeps the order in which different clients have sent their requests; more of them help when several replicas share the reads')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Settings file (YAML) with a section per mode; its keys are the long names of the options')
            [CompletionResult]::new('--log', '--log', [CompletionResultType]::ParameterName, 'What to log: a level (error, warn, info, debug, trace) or a filter such as `info,patterns::core=debug`')
            [CompletionResult]::new('--log-format', '--log-format', [CompletionResultType]::ParameterName, 'How to log: text for people, json for machines, auto for text on a terminal and json elsewhere')
            [CompletionResult]::new('--drain-timeout', '--drain-timeout', [CompletionResultType]::ParameterName, 'How long to finish what is in flight after SIGTERM before it is cut')
            [CompletionResult]::new('--termination-log', '--termination-log', [CompletionResultType]::ParameterName, 'Where to leave the reason of a fatal exit, if the file exists')
            [CompletionResult]::new('--http-bind', '--http-bind', [CompletionResultType]::ParameterName, 'Where to serve /livez, /readyz, /startupz, /metrics and the status page; `off` for nowhere')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'patterns;probe' {
            [CompletionResult]::new('--http-bind', '--http-bind', [CompletionResultType]::ParameterName, 'Where the mode serves HTTP, if it was set by a flag')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'How long to wait for the answer')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'patterns;config' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('print', 'print', [CompletionResultType]::ParameterValue, 'Print the settings in force, each with where it came from')
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Check a settings file, and tell every mistake with its line')
            [CompletionResult]::new('schema', 'schema', [CompletionResultType]::ParameterValue, 'Print the JSON Schema of the settings file')
            break
        }
        'patterns;config;print' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'patterns;config;check' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'patterns;config;schema' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'patterns;completions' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'patterns;man' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'patterns;install-links' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
