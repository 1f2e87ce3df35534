
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
            [CompletionResult]::new('sync-git', 'sync-git', [CompletionResultType]::ParameterValue, 'Sidecar: keeps a shared volume in step with a git repository, atomically')
            [CompletionResult]::new('ambassador-redis', 'ambassador-redis', [CompletionResultType]::ParameterValue, 'Makes a Redis primary with replicas look like one Redis on localhost, reads and writes split')
            [CompletionResult]::new('adapt-metrics', 'adapt-metrics', [CompletionResultType]::ParameterValue, 'Turns StatsD, JMX and application statistics into one page of Prometheus metrics')
            [CompletionResult]::new('probe', 'probe', [CompletionResultType]::ParameterValue, 'Ask a running mode for its health: the probe of a container without curl or a shell')
            [CompletionResult]::new('config', 'config', [CompletionResultType]::ParameterValue, 'Look at settings: print those in force, check a file, print the schema')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print the completions of a shell')
            [CompletionResult]::new('man', 'man', [CompletionResultType]::ParameterValue, 'Write the man pages into a directory')
            [CompletionResult]::new('install-links', 'install-links', [CompletionResultType]::ParameterValue, 'Make links to this binary, named by the modes')
            break
        }
        'patterns;sync-git' {
            [CompletionResult]::new('--repo', '--repo', [CompletionResultType]::ParameterName, 'The repository: https, http, ssh, git or file URL, `user@host:path`, or a path')
            [CompletionResult]::new('--ref', '--ref', [CompletionResultType]::ParameterName, 'What to follow: a branch, a tag, a full hash, or HEAD for the remote''s default branch')
            [CompletionResult]::new('--depth', '--depth', [CompletionResultType]::ParameterName, 'How many commits of history to keep; 0 keeps all')
            [CompletionResult]::new('--root', '--root', [CompletionResultType]::ParameterName, 'The directory that holds the store, the trees and, unless --link is absolute, the link')
            [CompletionResult]::new('--link', '--link', [CompletionResultType]::ParameterName, 'The symbolic link to publish, absolute or relative to --root [default: the last part of --repo]')
            [CompletionResult]::new('--stale-worktree-timeout', '--stale-worktree-timeout', [CompletionResultType]::ParameterName, 'How long a replaced tree stays; 0 removes it at once')
            [CompletionResult]::new('--group-write', '--group-write', [CompletionResultType]::ParameterName, 'Make everything that is written writable for the group')
            [CompletionResult]::new('--touch-file', '--touch-file', [CompletionResultType]::ParameterName, 'A file to touch after each sync that changed something, absolute or relative to --root')
            [CompletionResult]::new('--error-file', '--error-file', [CompletionResultType]::ParameterName, 'A file that holds the last error as JSON and is removed after a success, absolute or relative to --root')
            [CompletionResult]::new('--period', '--period', [CompletionResultType]::ParameterName, 'The pause after a sync')
            [CompletionResult]::new('--init-period', '--init-period', [CompletionResultType]::ParameterName, 'The pause until the first success [default: --period]')
            [CompletionResult]::new('--one-time', '--one-time', [CompletionResultType]::ParameterName, 'Sync once, then exit')
            [CompletionResult]::new('--sync-timeout', '--sync-timeout', [CompletionResultType]::ParameterName, 'The time for all of one sync')
            [CompletionResult]::new('--max-failures', '--max-failures', [CompletionResultType]::ParameterName, 'How many syncs may fail in a row before the process exits with 1: 0 and 1 exit at the first failure, negative never')
            [CompletionResult]::new('--init-max-failures', '--init-max-failures', [CompletionResultType]::ParameterName, 'The same before the first success [default: --max-failures]')
            [CompletionResult]::new('--sync-on-signal', '--sync-on-signal', [CompletionResultType]::ParameterName, 'A signal (SIGHUP, HUP or its number) that starts a sync at once')
            [CompletionResult]::new('--verify-interval', '--verify-interval', [CompletionResultType]::ParameterName, 'How often to compare every published file with the commit; 0 only at start')
            [CompletionResult]::new('--exechook-command', '--exechook-command', [CompletionResultType]::ParameterName, 'A program to run after each sync that changed something, in the new tree, without a shell; it must be idempotent')
            [CompletionResult]::new('--exechook-timeout', '--exechook-timeout', [CompletionResultType]::ParameterName, 'How long that program may take')
            [CompletionResult]::new('--exechook-backoff', '--exechook-backoff', [CompletionResultType]::ParameterName, 'How long to wait before it is tried again after a failure')
            [CompletionResult]::new('--pre-publish-exechook-command', '--pre-publish-exechook-command', [CompletionResultType]::ParameterName, 'A program to run in a new tree before the link turns to it')
            [CompletionResult]::new('--pre-publish-exechook-timeout', '--pre-publish-exechook-timeout', [CompletionResultType]::ParameterName, 'How long that program may take')
            [CompletionResult]::new('--pre-publish-exechook-backoff', '--pre-publish-exechook-backoff', [CompletionResultType]::ParameterName, 'How long to wait before it is tried again after a failure')
            [CompletionResult]::new('--pre-publish-exechook-gate', '--pre-publish-exechook-gate', [CompletionResultType]::ParameterName, 'Publish only what the pre-publish program accepts: wait for it, and keep the old tree when it fails')
            [CompletionResult]::new('--webhook-url', '--webhook-url', [CompletionResultType]::ParameterName, 'A URL to call after each sync that changed something; it must be idempotent')
            [CompletionResult]::new('--webhook-method', '--webhook-method', [CompletionResultType]::ParameterName, 'The method of that call')
            [CompletionResult]::new('--webhook-success-status', '--webhook-success-status', [CompletionResultType]::ParameterName, 'The status that means success; 0 or -1: any answer will do')
            [CompletionResult]::new('--webhook-timeout', '--webhook-timeout', [CompletionResultType]::ParameterName, 'How long that call may take')
            [CompletionResult]::new('--webhook-backoff', '--webhook-backoff', [CompletionResultType]::ParameterName, 'How long to wait before it is tried again after a failure')
            [CompletionResult]::new('--branch', '--branch', [CompletionResultType]::ParameterName, 'branch')
            [CompletionResult]::new('--rev', '--rev', [CompletionResultType]::ParameterName, 'rev')
            [CompletionResult]::new('--dest', '--dest', [CompletionResultType]::ParameterName, 'dest')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Seconds, with a fraction')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Whole seconds')
            [CompletionResult]::new('--max-sync-failures', '--max-sync-failures', [CompletionResultType]::ParameterName, 'max-sync-failures')
            [CompletionResult]::new('--change-permissions', '--change-permissions', [CompletionResultType]::ParameterName, 'change-permissions')
            [CompletionResult]::new('--sync-hook-command', '--sync-hook-command', [CompletionResultType]::ParameterName, 'sync-hook-command')
            [CompletionResult]::new('--ssh', '--ssh', [CompletionResultType]::ParameterName, 'ssh')
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
            [CompletionResult]::new('--upstream-username', '--upstream-username', [CompletionResultType]::ParameterName, 'The user that the ambassador is to the servers')
            [CompletionResult]::new('--upstream-password-file', '--upstream-password-file', [CompletionResultType]::ParameterName, 'File with the password for the servers; without it clients authenticate themselves')
            [CompletionResult]::new('--read-from', '--read-from', [CompletionResultType]::ParameterName, 'Who answers reads: primary, prefer-primary, replica, prefer-replica, any')
            [CompletionResult]::new('--consistency', '--consistency', [CompletionResultType]::ParameterName, 'What a read may miss: nothing that this ambassador''s clients were told (proxy), nothing that its own connection was told (session), anything (eventual); `primary` reads from the primary only')
            [CompletionResult]::new('--max-replica-lag', '--max-replica-lag', [CompletionResultType]::ParameterName, 'How far a replica may trail behind the primary, in bytes of the replication stream, and still answer')
            [CompletionResult]::new('--failover-hold', '--failover-hold', [CompletionResultType]::ParameterName, 'How long requests wait for a primary that was there before, until they are answered with an error')
            [CompletionResult]::new('--connect-timeout', '--connect-timeout', [CompletionResultType]::ParameterName, 'How long a connection attempt to a server may take')
            [CompletionResult]::new('--reply-timeout', '--reply-timeout', [CompletionResultType]::ParameterName, 'How long a server may leave a request unanswered before its connection is given up; 0 for ever')
            [CompletionResult]::new('--probe-period', '--probe-period', [CompletionResultType]::ParameterName, 'How often the role and the offset of each server are asked for')
            [CompletionResult]::new('--deny', '--deny', [CompletionResultType]::ParameterName, 'Commands that are refused; a comma between two')
            [CompletionResult]::new('--max-bulk', '--max-bulk', [CompletionResultType]::ParameterName, 'The longest argument that a client may send')
            [CompletionResult]::new('--max-clients', '--max-clients', [CompletionResultType]::ParameterName, 'The most clients at a time')
            [CompletionResult]::new('--idle-timeout', '--idle-timeout', [CompletionResultType]::ParameterName, 'Close clients that send nothing for this long; 0 for never')
            [CompletionResult]::new('--workers', '--workers', [CompletionResultType]::ParameterName, 'Threads that carry requests; 0 for one a CPU, at most 4')
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
