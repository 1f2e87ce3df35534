
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
            [CompletionResult]::new('--ref', '--ref', [CompletionResultType]::ParameterName, 'What to follow: a branch, a tag, a full hash, HEAD for the remote''s default branch, or the tag of the newest version in a range (semver:^1.2, semver:~1.2.3, semver:*)')
            [CompletionResult]::new('--depth', '--depth', [CompletionResultType]::ParameterName, 'How many commits of history to keep; 0 keeps all')
            [CompletionResult]::new('--filter', '--filter', [CompletionResultType]::ParameterName, 'Fetch with this partial-clone filter (blob:none, tree:0, …); what the tree needs comes in one further request')
            [CompletionResult]::new('--sparse-checkout-file', '--sparse-checkout-file', [CompletionResultType]::ParameterName, 'A file with git''s sparse-checkout patterns: only what they let through is written')
            [CompletionResult]::new('--lfs', '--lfs', [CompletionResultType]::ParameterName, 'Write the contents of Git LFS files, not their pointers; not in submodules')
            [CompletionResult]::new('--lfs-url', '--lfs-url', [CompletionResultType]::ParameterName, 'The LFS server [default: what .lfsconfig says, else --repo with .git/info/lfs behind it]')
            [CompletionResult]::new('--path', '--path', [CompletionResultType]::ParameterName, 'Write only this directory (or file) of the repository, and fetch only its files where the server can (--filter blob:none); may be repeated')
            [CompletionResult]::new('--submodules', '--submodules', [CompletionResultType]::ParameterName, 'Which submodules to write')
            [CompletionResult]::new('--root', '--root', [CompletionResultType]::ParameterName, 'The directory that holds the store, the trees and, unless --link is absolute, the link')
            [CompletionResult]::new('--wipe-root', '--wipe-root', [CompletionResultType]::ParameterName, 'At start, remove everything from --root that is not part of it: git-sync does so by itself with a root that it does not know; here other files stay unless this is given')
            [CompletionResult]::new('--link', '--link', [CompletionResultType]::ParameterName, 'What to publish, absolute or relative to --root: a symbolic link, unless --publish says otherwise [default: the last part of --repo]')
            [CompletionResult]::new('--publish', '--publish', [CompletionResultType]::ParameterName, 'What stands at --link, and how it changes')
            [CompletionResult]::new('--stale-worktree-timeout', '--stale-worktree-timeout', [CompletionResultType]::ParameterName, 'How long a replaced tree stays; 0 removes it at once')
            [CompletionResult]::new('--keep-worktrees', '--keep-worktrees', [CompletionResultType]::ParameterName, 'How many replaced trees stay at least, the newest first, whatever their age')
            [CompletionResult]::new('--git-gc', '--git-gc', [CompletionResultType]::ParameterName, 'When to drop objects that no kept tree needs')
            [CompletionResult]::new('--reuse', '--reuse', [CompletionResultType]::ParameterName, 'How unchanged files come into the next tree. A file is taken over only if its type, permissions, size, inode and time are still those that were written; else it is written anew')
            [CompletionResult]::new('--group-write', '--group-write', [CompletionResultType]::ParameterName, 'Make everything that is written writable for the group')
            [CompletionResult]::new('--archive', '--archive', [CompletionResultType]::ParameterName, 'Also write the tree as a file that ends in .tar.gz, .tgz or .tar, absolute or relative to --root, with its SHA-256 beside it: the same bytes for the same commit, replaced in one step before the link turns')
            [CompletionResult]::new('--touch-file', '--touch-file', [CompletionResultType]::ParameterName, 'A file to touch after each sync that changed something, absolute or relative to --root')
            [CompletionResult]::new('--error-file', '--error-file', [CompletionResultType]::ParameterName, 'A file that holds the last error as JSON and is removed after a success, absolute or relative to --root')
            [CompletionResult]::new('--period', '--period', [CompletionResultType]::ParameterName, 'The pause after a sync')
            [CompletionResult]::new('--init-period', '--init-period', [CompletionResultType]::ParameterName, 'The pause until the first success [default: --period]')
            [CompletionResult]::new('--period-jitter', '--period-jitter', [CompletionResultType]::ParameterName, 'How much longer than --period a pause may be, drawn anew each time, in per cent: spreads the polls of many replicas')
            [CompletionResult]::new('--max-backoff', '--max-backoff', [CompletionResultType]::ParameterName, 'After failures in a row the pause doubles each time, up to this; 0 keeps to the period. A signal or POST /sync cuts any pause short')
            [CompletionResult]::new('--one-time', '--one-time', [CompletionResultType]::ParameterName, 'Sync once, then exit')
            [CompletionResult]::new('--sync-timeout', '--sync-timeout', [CompletionResultType]::ParameterName, 'The time for all of one sync')
            [CompletionResult]::new('--sync-concurrency', '--sync-concurrency', [CompletionResultType]::ParameterName, 'How many repositories may sync at the same time, where the settings file has several')
            [CompletionResult]::new('--max-failures', '--max-failures', [CompletionResultType]::ParameterName, 'How many syncs may fail in a row before the process exits with 1: 0 and 1 exit at the first failure, negative never')
            [CompletionResult]::new('--init-max-failures', '--init-max-failures', [CompletionResultType]::ParameterName, 'The same before the first success [default: --max-failures]')
            [CompletionResult]::new('--sync-on-signal', '--sync-on-signal', [CompletionResultType]::ParameterName, 'A signal (SIGHUP, HUP or its number) that starts a sync at once')
            [CompletionResult]::new('--sync-token-file', '--sync-token-file', [CompletionResultType]::ParameterName, 'A file with the token or webhook secret for POST /sync, which starts a sync at once; without it only this machine may ask')
            [CompletionResult]::new('--max-staleness', '--max-staleness', [CompletionResultType]::ParameterName, 'Not ready any more when the last success is older than this; 0: never')
            [CompletionResult]::new('--verify-interval', '--verify-interval', [CompletionResultType]::ParameterName, 'How often to compare every published file with the commit, and write the tree again if it differs; 0 only at start. Nothing that can be fetched again is forced to the disk (fsync): what a power cut takes is found by the comparison at start')
            [CompletionResult]::new('--exechook-command', '--exechook-command', [CompletionResultType]::ParameterName, 'A program to run after each sync that changed something, in the new tree, without a shell; it must be idempotent. It finds GITSYNC_HASH, GITSYNC_PREVIOUS_HASH, GITSYNC_REF and, where both hashes are known, in GITSYNC_CHANGES a file that lists what differs, a line each: A, M or D, a tab, the path')
            [CompletionResult]::new('--exechook-timeout', '--exechook-timeout', [CompletionResultType]::ParameterName, 'How long that program may take')
            [CompletionResult]::new('--exechook-backoff', '--exechook-backoff', [CompletionResultType]::ParameterName, 'How long to wait before it is tried again after a failure')
            [CompletionResult]::new('--pre-publish-exechook-command', '--pre-publish-exechook-command', [CompletionResultType]::ParameterName, 'A program to run in a new tree before the link turns to it')
            [CompletionResult]::new('--pre-publish-exechook-timeout', '--pre-publish-exechook-timeout', [CompletionResultType]::ParameterName, 'How long that program may take')
            [CompletionResult]::new('--pre-publish-exechook-backoff', '--pre-publish-exechook-backoff', [CompletionResultType]::ParameterName, 'How long to wait before it is tried again after a failure')
            [CompletionResult]::new('--pre-publish-exechook-gate', '--pre-publish-exechook-gate', [CompletionResultType]::ParameterName, 'Publish only what the pre-publish program accepts: wait for it, and keep the old tree when it fails')
            [CompletionResult]::new('--webhook-url', '--webhook-url', [CompletionResultType]::ParameterName, 'A URL to call after each sync that changed something; it must be idempotent')
            [CompletionResult]::new('--webhook-method', '--webhook-method', [CompletionResultType]::ParameterName, 'The method of that call')
            [CompletionResult]::new('--webhook-success-status', '--webhook-success-status', [CompletionResultType]::ParameterName, 'The status that means success; 0 or -1: any answer will do')
            [CompletionResult]::new('--webhook-body', '--webhook-body', [CompletionResultType]::ParameterName, 'What the call says beside the headers Gitsync-Hash, Gitsync-Previous-Hash and Gitsync-Ref')
            [CompletionResult]::new('--webhook-timeout', '--webhook-timeout', [CompletionResultType]::ParameterName, 'How long that call may take')
            [CompletionResult]::new('--webhook-backoff', '--webhook-backoff', [CompletionResultType]::ParameterName, 'How long to wait before it is tried again after a failure')
            [CompletionResult]::new('--username', '--username', [CompletionResultType]::ParameterName, 'The user name for --repo; the password comes from --password-file or $GITSYNC_PASSWORD')
            [CompletionResult]::new('--password', '--password', [CompletionResultType]::ParameterName, '`$GITSYNC_PASSWORD`; git-sync still takes it as a flag, too, under two names')
            [CompletionResult]::new('--password-file', '--password-file', [CompletionResultType]::ParameterName, 'A file with the password or token; it is read again before each sync')
            [CompletionResult]::new('--credential', '--credential', [CompletionResultType]::ParameterName, 'Credentials for further URLs (submodules), as JSON: one object or a list of objects with the keys url, username, and password or password-file')
            [CompletionResult]::new('--askpass-url', '--askpass-url', [CompletionResultType]::ParameterName, 'A URL that answers with lines username=… and password=…, asked before each sync')
            [CompletionResult]::new('--cookie-file', '--cookie-file', [CompletionResultType]::ParameterName, 'Send the cookies of /etc/git-secret/cookie_file')
            [CompletionResult]::new('--ssh-key-file', '--ssh-key-file', [CompletionResultType]::ParameterName, 'A private key for ssh; several are tried in order')
            [CompletionResult]::new('--ssh-known-hosts', '--ssh-known-hosts', [CompletionResultType]::ParameterName, 'Talk only to hosts that the known_hosts file vouches for')
            [CompletionResult]::new('--ssh-known-hosts-file', '--ssh-known-hosts-file', [CompletionResultType]::ParameterName, 'The known_hosts file')
            [CompletionResult]::new('--github-app-application-id', '--github-app-application-id', [CompletionResultType]::ParameterName, 'The id of a GitHub App to authenticate as')
            [CompletionResult]::new('--github-app-client-id', '--github-app-client-id', [CompletionResultType]::ParameterName, 'The client id of a GitHub App to authenticate as, instead of its application id')
            [CompletionResult]::new('--github-app-installation-id', '--github-app-installation-id', [CompletionResultType]::ParameterName, 'The id of that App''s installation')
            [CompletionResult]::new('--github-app-private-key-file', '--github-app-private-key-file', [CompletionResultType]::ParameterName, 'A file with that App''s private key (PEM)')
            [CompletionResult]::new('--__env__GITSYNC_GITHUB_APP_PRIVATE_KEY', '--__env__GITSYNC_GITHUB_APP_PRIVATE_KEY', [CompletionResultType]::ParameterName, '`$GITSYNC_GITHUB_APP_PRIVATE_KEY`, which is no flag of git-sync''s but in its tests')
            [CompletionResult]::new('--github-base-url', '--github-base-url', [CompletionResultType]::ParameterName, 'Where GitHub''s API is')
            [CompletionResult]::new('--git-config', '--git-config', [CompletionResultType]::ParameterName, 'Further settings in git''s own names: `key:value,"quoted key":"value"`; see the manual for those that have a meaning')
            [CompletionResult]::new('--git-config-add', '--git-config-add', [CompletionResultType]::ParameterName, 'One such pair; may be repeated')
            [CompletionResult]::new('--symlinks', '--symlinks', [CompletionResultType]::ParameterName, 'What symbolic links in the repository may point at')
            [CompletionResult]::new('--max-pack-bytes', '--max-pack-bytes', [CompletionResultType]::ParameterName, 'The largest pack to receive')
            [CompletionResult]::new('--max-objects', '--max-objects', [CompletionResultType]::ParameterName, 'The most objects in one pack')
            [CompletionResult]::new('--max-object-bytes', '--max-object-bytes', [CompletionResultType]::ParameterName, 'The largest single object, unpacked')
            [CompletionResult]::new('--max-tree-bytes', '--max-tree-bytes', [CompletionResultType]::ParameterName, 'The largest tree: all its files together, unpacked')
            [CompletionResult]::new('--max-path-depth', '--max-path-depth', [CompletionResultType]::ParameterName, 'The most directories on a path')
            [CompletionResult]::new('--verify-signatures', '--verify-signatures', [CompletionResultType]::ParameterName, 'What must carry a good signature of a key in the files below; without one nothing is published, and what is published stays')
            [CompletionResult]::new('--allowed-signers-file', '--allowed-signers-file', [CompletionResultType]::ParameterName, 'The keys of SSH signatures: allowed signers as in ssh-keygen(1), read again at each sync. A line''s times are compared with the time that the commit or tag states, as git does; take a key that is lost out of the file')
            [CompletionResult]::new('--openpgp-keyring-file', '--openpgp-keyring-file', [CompletionResultType]::ParameterName, 'The keys of OpenPGP signatures: public keys as `gpg --export` writes them, armoured or not, read again at each sync. A key that has expired or is revoked does not count, whenever the signature was made')
            [CompletionResult]::new('--branch', '--branch', [CompletionResultType]::ParameterName, 'branch')
            [CompletionResult]::new('--rev', '--rev', [CompletionResultType]::ParameterName, 'rev')
            [CompletionResult]::new('--dest', '--dest', [CompletionResultType]::ParameterName, 'dest')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Seconds, with a fraction')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Whole seconds')
            [CompletionResult]::new('--max-sync-failures', '--max-sync-failures', [CompletionResultType]::ParameterName, 'max-sync-failures')
            [CompletionResult]::new('--change-permissions', '--change-permissions', [CompletionResultType]::ParameterName, 'change-permissions')
            [CompletionResult]::new('--sync-hook-command', '--sync-hook-command', [CompletionResultType]::ParameterName, 'sync-hook-command')
            [CompletionResult]::new('--ssh', '--ssh', [CompletionResultType]::ParameterName, 'ssh')
            [CompletionResult]::new('--git', '--git', [CompletionResultType]::ParameterName, 'There is no git here to run')
            [CompletionResult]::new('--add-user', '--add-user', [CompletionResultType]::ParameterName, 'Nothing here looks at /etc/passwd')
            [CompletionResult]::new('--http-metrics', '--http-metrics', [CompletionResultType]::ParameterName, 'The metrics are always there')
            [CompletionResult]::new('--http-pprof', '--http-pprof', [CompletionResultType]::ParameterName, 'Serves a page of the process'' own figures under git-sync''s path; there is no profiler')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'git-sync''s level: 0 is our info, 1 to 6 debug, more is trace')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'git-sync''s level: 0 is our info, 1 to 6 debug, more is trace')
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
            [CompletionResult]::new('--primary', '--primary', [CompletionResultType]::ParameterName, 'The primary; whether it is one is verified, and a demotion is noticed')
            [CompletionResult]::new('--replica', '--replica', [CompletionResultType]::ParameterName, 'A replica of that primary; may be given several times')
            [CompletionResult]::new('--upstream', '--upstream', [CompletionResultType]::ParameterName, 'A server whose role is to be found out; a name may stand for many addresses, and is resolved again and again')
            [CompletionResult]::new('--sentinel', '--sentinel', [CompletionResultType]::ParameterName, 'A Sentinel; may be given several times')
            [CompletionResult]::new('--cluster', '--cluster', [CompletionResultType]::ParameterName, 'Servers of a Redis Cluster, a comma between two; the others are found from them. A name may stand for many addresses. The application uses an ordinary client, not one for a Cluster (CLUSTER and READONLY are refused as by a Redis without one), and sees one Redis with one database. Keys of several slots at once are refused (CROSSSLOT), except by MGET, MSET (atomic only within a slot), DEL, UNLINK, EXISTS and TOUCH; a transaction has one slot. CLIENT TRACKING works in RESP3 only (no REDIRECT), and a client that tracks reads from primaries; MONITOR shows what all primaries do, WAIT counts the replicas of the shard that has fewest')
            [CompletionResult]::new('--map-address', '--map-address', [CompletionResultType]::ParameterName, 'How an address that Sentinels or a Cluster announce is reached from here, as HOST[:PORT]=HOST[:PORT]; may be given several times')
            [CompletionResult]::new('--sentinel-primary', '--sentinel-primary', [CompletionResultType]::ParameterName, 'The name that the Sentinels have for the primary')
            [CompletionResult]::new('--sentinel-password-file', '--sentinel-password-file', [CompletionResultType]::ParameterName, 'File with the password of the Sentinels')
            [CompletionResult]::new('--upstream-username', '--upstream-username', [CompletionResultType]::ParameterName, 'The user that the ambassador is to the servers')
            [CompletionResult]::new('--upstream-password-file', '--upstream-password-file', [CompletionResultType]::ParameterName, 'File with the password for the servers; without it clients authenticate themselves')
            [CompletionResult]::new('--users-file', '--users-file', [CompletionResultType]::ParameterName, 'File with users of the ambassador''s own, in the form of Redis'' ACL files: `user NAME on #SHA256 ~* +@all` (or +@read), one a line. Clients then authenticate here, not at the servers. Read again when it changes')
            [CompletionResult]::new('--read-from', '--read-from', [CompletionResultType]::ParameterName, 'Who answers reads: primary, prefer-primary, replica, prefer-replica, any, nearest')
            [CompletionResult]::new('--consistency', '--consistency', [CompletionResultType]::ParameterName, 'What a read may miss: nothing that the primary has told any client of this ambassador (proxy) or the read''s own connection (session), anything (eventual); `primary` reads from the primary only. In proxy and session what a connection reads never goes back in time; two connections may for a moment see different replicas of what others write')
            [CompletionResult]::new('--max-replica-lag', '--max-replica-lag', [CompletionResultType]::ParameterName, 'How far a replica may trail behind the primary, in bytes of the replication stream, and still answer')
            [CompletionResult]::new('--max-replica-lag-time', '--max-replica-lag-time', [CompletionResultType]::ParameterName, 'How long a replica may lack what the primary has, and still answer; measured from offsets, to the precision of --probe-period. 0 for as long as --max-replica-lag allows')
            [CompletionResult]::new('--zone', '--zone', [CompletionResultType]::ParameterName, 'The zone of this ambassador: replicas with the same --node-zone answer while one of them can')
            [CompletionResult]::new('--node-zone', '--node-zone', [CompletionResultType]::ParameterName, 'The zone of a server, as HOST=ZONE or HOST:PORT=ZONE; several with a comma between two, or given several times')
            [CompletionResult]::new('--node-weight', '--node-weight', [CompletionResultType]::ParameterName, 'The share of the sessions that a replica gets beside the others, as HOST=COUNT or HOST:PORT=COUNT; without one it is 1')
            [CompletionResult]::new('--max-ejected', '--max-ejected', [CompletionResultType]::ParameterName, 'At most this part of the replicas is left alone for being far slower than the others; 0 for none')
            [CompletionResult]::new('--failover-hold', '--failover-hold', [CompletionResultType]::ParameterName, 'How long requests wait for a primary that was there before, until they are answered with an error')
            [CompletionResult]::new('--connect-timeout', '--connect-timeout', [CompletionResultType]::ParameterName, 'How long a connection attempt to a server may take')
            [CompletionResult]::new('--reply-timeout', '--reply-timeout', [CompletionResultType]::ParameterName, 'How long a server may leave a request unanswered before its connection is given up; 0 for ever, as a Redis would')
            [CompletionResult]::new('--probe-period', '--probe-period', [CompletionResultType]::ParameterName, 'How often the role and the offset of each server are asked for')
            [CompletionResult]::new('--probe-timeout', '--probe-timeout', [CompletionResultType]::ParameterName, 'How long a server may take to answer a probe')
            [CompletionResult]::new('--deny', '--deny', [CompletionResultType]::ParameterName, 'Commands that are refused; a comma between two. What else an application may do to its Redis (REPLICAOF, CONFIG, DEBUG) is for the ACL of the servers to say; it is done by the primary')
            [CompletionResult]::new('--max-bulk', '--max-bulk', [CompletionResultType]::ParameterName, 'The longest argument that a client may send')
            [CompletionResult]::new('--max-clients', '--max-clients', [CompletionResultType]::ParameterName, 'The most clients at a time')
            [CompletionResult]::new('--idle-timeout', '--idle-timeout', [CompletionResultType]::ParameterName, 'Close clients that send nothing for this long; 0 for never')
            [CompletionResult]::new('--workers', '--workers', [CompletionResultType]::ParameterName, 'Threads that carry requests. One is as fast as one Redis, and keeps the order in which different clients have sent their requests; more of them help when several replicas share the reads')
            [CompletionResult]::new('--slowlog-slower-than', '--slowlog-slower-than', [CompletionResultType]::ParameterName, 'Remember requests that take longer than this, from their arrival to their last reply; they are shown on the status page and, with their arguments, at /debug/slowlog')
            [CompletionResult]::new('--slowlog-max-len', '--slowlog-max-len', [CompletionResultType]::ParameterName, 'How many slow requests are remembered')
            [CompletionResult]::new('--key-sampling', '--key-sampling', [CompletionResultType]::ParameterName, 'The key of one in so many requests is counted, for /debug/hotkeys; 0 for none')
            [CompletionResult]::new('--listen', '--listen', [CompletionResultType]::ParameterName, 'Where the application finds its Redis: HOST:PORT, or unix:/path for a unix socket; may be given several times. With --tls-certificate the TCP ports speak TLS')
            [CompletionResult]::new('--listen-plain', '--listen-plain', [CompletionResultType]::ParameterName, 'A further port, which speaks no TLS although --listen does; may be given several times')
            [CompletionResult]::new('--unix-socket-mode', '--unix-socket-mode', [CompletionResultType]::ParameterName, 'The mode of the unix sockets, in octal; 660 lets in the owner and the group (in a Pod: fsGroup)')
            [CompletionResult]::new('--reuse-port', '--reuse-port', [CompletionResultType]::ParameterName, 'Let another process listen on the same ports and unix sockets (SO_REUSEPORT), so that a new one takes over while this one finishes what it has')
            [CompletionResult]::new('--proxy-protocol-from', '--proxy-protocol-from', [CompletionResultType]::ParameterName, 'Whose connections begin with a PROXY protocol header (version 1 or 2) that names the client: networks such as 10.0.0.0/8, and `unix`; a comma between two. From all others a header is not understood. Default: nobody''s')
            [CompletionResult]::new('--tls-certificate', '--tls-certificate', [CompletionResultType]::ParameterName, 'The certificate to show to clients, and behind it those that lead to its authority (PEM); read again when it changes')
            [CompletionResult]::new('--tls-key', '--tls-key', [CompletionResultType]::ParameterName, 'Its private key (PEM, not encrypted); read again when it changes')
            [CompletionResult]::new('--tls-client-authorities', '--tls-client-authorities', [CompletionResultType]::ParameterName, 'Authorities of the clients'' certificates (PEM); without it clients are not asked for one')
            [CompletionResult]::new('--tls-client-certificates', '--tls-client-certificates', [CompletionResultType]::ParameterName, 'Whether a client must show a certificate of those authorities')
            [CompletionResult]::new('--upstream-tls', '--upstream-tls', [CompletionResultType]::ParameterName, 'Speak TLS to the servers and to the Sentinels')
            [CompletionResult]::new('--upstream-tls-authorities', '--upstream-tls-authorities', [CompletionResultType]::ParameterName, 'Authorities that the servers'' certificates must lead to (PEM); without it the machine''s. Read again when it changes')
            [CompletionResult]::new('--upstream-tls-certificate', '--upstream-tls-certificate', [CompletionResultType]::ParameterName, 'Our own certificate, for servers that ask for one (PEM); read again when it changes')
            [CompletionResult]::new('--upstream-tls-key', '--upstream-tls-key', [CompletionResultType]::ParameterName, 'Its private key (PEM, not encrypted); read again when it changes')
            [CompletionResult]::new('--upstream-tls-server-name', '--upstream-tls-server-name', [CompletionResultType]::ParameterName, 'The name that the servers'' certificates must carry, and that is asked for (SNI); without it the host of each address')
            [CompletionResult]::new('--upstream-tls-verify', '--upstream-tls-verify', [CompletionResultType]::ParameterName, 'How much of a server''s certificate is checked')
            [CompletionResult]::new('--fault-error', '--fault-error', [CompletionResultType]::ParameterName, 'Answer some requests with an error and do not execute them, as COMMAND=PERCENT; `*` is any command. For tests')
            [CompletionResult]::new('--fault-delay', '--fault-delay', [CompletionResultType]::ParameterName, 'Take some requests in later, and what their connection sends behind them, as COMMAND=DURATION@PERCENT; `*` is any command. For tests')
            [CompletionResult]::new('--mirror', '--mirror', [CompletionResultType]::ParameterName, 'A server that gets a copy of requests; nobody waits for it, and what it cannot take in time is dropped and counted. Transactions and what waits are not mirrored. It is one server, also for a Cluster: it gets what the application has sent')
            [CompletionResult]::new('--mirror-commands', '--mirror-commands', [CompletionResultType]::ParameterName, 'Which requests are mirrored')
            [CompletionResult]::new('--mirror-percent', '--mirror-percent', [CompletionResultType]::ParameterName, 'Which part of them, from 0 to 100')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Settings file (YAML) with a section per mode; its keys are the long names of the options')
            [CompletionResult]::new('--log', '--log', [CompletionResultType]::ParameterName, 'What to log: a level (error, warn, info, debug, trace) or a filter such as `info,patterns::core=debug`')
            [CompletionResult]::new('--log-format', '--log-format', [CompletionResultType]::ParameterName, 'How to log: text for people, json for machines, auto for text on a terminal and json elsewhere')
            [CompletionResult]::new('--drain-timeout', '--drain-timeout', [CompletionResultType]::ParameterName, 'How long to finish what is in flight after SIGTERM before it is cut')
            [CompletionResult]::new('--termination-log', '--termination-log', [CompletionResultType]::ParameterName, 'Where to leave the reason of a fatal exit, if the file exists')
            [CompletionResult]::new('--http-bind', '--http-bind', [CompletionResultType]::ParameterName, 'Where to serve /livez, /readyz, /startupz, /metrics and the status page; `off` for nowhere')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('explain', 'explain', [CompletionResultType]::ParameterValue, 'Tells where a command would go, and why')
            break
        }
        'patterns;ambassador-redis;explain' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Settings file (YAML), as for the ambassador itself')
            [CompletionResult]::new('--replica', '--replica', [CompletionResultType]::ParameterName, 'A replica of that primary; may be given several times')
            [CompletionResult]::new('--upstream', '--upstream', [CompletionResultType]::ParameterName, 'A server whose role is to be found out; a name may stand for many addresses, and is resolved again and again')
            [CompletionResult]::new('--sentinel', '--sentinel', [CompletionResultType]::ParameterName, 'A Sentinel; may be given several times')
            [CompletionResult]::new('--cluster', '--cluster', [CompletionResultType]::ParameterName, 'Servers of a Redis Cluster, a comma between two; the others are found from them. A name may stand for many addresses. The application uses an ordinary client, not one for a Cluster (CLUSTER and READONLY are refused as by a Redis without one), and sees one Redis with one database. Keys of several slots at once are refused (CROSSSLOT), except by MGET, MSET (atomic only within a slot), DEL, UNLINK, EXISTS and TOUCH; a transaction has one slot. CLIENT TRACKING works in RESP3 only (no REDIRECT), and a client that tracks reads from primaries; MONITOR shows what all primaries do, WAIT counts the replicas of the shard that has fewest')
            [CompletionResult]::new('--map-address', '--map-address', [CompletionResultType]::ParameterName, 'How an address that Sentinels or a Cluster announce is reached from here, as HOST[:PORT]=HOST[:PORT]; may be given several times')
            [CompletionResult]::new('--sentinel-primary', '--sentinel-primary', [CompletionResultType]::ParameterName, 'The name that the Sentinels have for the primary')
            [CompletionResult]::new('--sentinel-password-file', '--sentinel-password-file', [CompletionResultType]::ParameterName, 'File with the password of the Sentinels')
            [CompletionResult]::new('--upstream-username', '--upstream-username', [CompletionResultType]::ParameterName, 'The user that the ambassador is to the servers')
            [CompletionResult]::new('--upstream-password-file', '--upstream-password-file', [CompletionResultType]::ParameterName, 'File with the password for the servers; without it clients authenticate themselves')
            [CompletionResult]::new('--users-file', '--users-file', [CompletionResultType]::ParameterName, 'File with users of the ambassador''s own, in the form of Redis'' ACL files: `user NAME on #SHA256 ~* +@all` (or +@read), one a line. Clients then authenticate here, not at the servers. Read again when it changes')
            [CompletionResult]::new('--read-from', '--read-from', [CompletionResultType]::ParameterName, 'Who answers reads: primary, prefer-primary, replica, prefer-replica, any, nearest')
            [CompletionResult]::new('--consistency', '--consistency', [CompletionResultType]::ParameterName, 'What a read may miss: nothing that the primary has told any client of this ambassador (proxy) or the read''s own connection (session), anything (eventual); `primary` reads from the primary only. In proxy and session what a connection reads never goes back in time; two connections may for a moment see different replicas of what others write')
            [CompletionResult]::new('--max-replica-lag', '--max-replica-lag', [CompletionResultType]::ParameterName, 'How far a replica may trail behind the primary, in bytes of the replication stream, and still answer')
            [CompletionResult]::new('--max-replica-lag-time', '--max-replica-lag-time', [CompletionResultType]::ParameterName, 'How long a replica may lack what the primary has, and still answer; measured from offsets, to the precision of --probe-period. 0 for as long as --max-replica-lag allows')
            [CompletionResult]::new('--zone', '--zone', [CompletionResultType]::ParameterName, 'The zone of this ambassador: replicas with the same --node-zone answer while one of them can')
            [CompletionResult]::new('--node-zone', '--node-zone', [CompletionResultType]::ParameterName, 'The zone of a server, as HOST=ZONE or HOST:PORT=ZONE; several with a comma between two, or given several times')
            [CompletionResult]::new('--node-weight', '--node-weight', [CompletionResultType]::ParameterName, 'The share of the sessions that a replica gets beside the others, as HOST=COUNT or HOST:PORT=COUNT; without one it is 1')
            [CompletionResult]::new('--max-ejected', '--max-ejected', [CompletionResultType]::ParameterName, 'At most this part of the replicas is left alone for being far slower than the others; 0 for none')
            [CompletionResult]::new('--failover-hold', '--failover-hold', [CompletionResultType]::ParameterName, 'How long requests wait for a primary that was there before, until they are answered with an error')
            [CompletionResult]::new('--connect-timeout', '--connect-timeout', [CompletionResultType]::ParameterName, 'How long a connection attempt to a server may take')
            [CompletionResult]::new('--reply-timeout', '--reply-timeout', [CompletionResultType]::ParameterName, 'How long a server may leave a request unanswered before its connection is given up; 0 for ever, as a Redis would')
            [CompletionResult]::new('--probe-period', '--probe-period', [CompletionResultType]::ParameterName, 'How often the role and the offset of each server are asked for')
            [CompletionResult]::new('--probe-timeout', '--probe-timeout', [CompletionResultType]::ParameterName, 'How long a server may take to answer a probe')
            [CompletionResult]::new('--deny', '--deny', [CompletionResultType]::ParameterName, 'Commands that are refused; a comma between two. What else an application may do to its Redis (REPLICAOF, CONFIG, DEBUG) is for the ACL of the servers to say; it is done by the primary')
            [CompletionResult]::new('--max-bulk', '--max-bulk', [CompletionResultType]::ParameterName, 'The longest argument that a client may send')
            [CompletionResult]::new('--max-clients', '--max-clients', [CompletionResultType]::ParameterName, 'The most clients at a time')
            [CompletionResult]::new('--idle-timeout', '--idle-timeout', [CompletionResultType]::ParameterName, 'Close clients that send nothing for this long; 0 for never')
            [CompletionResult]::new('--workers', '--workers', [CompletionResultType]::ParameterName, 'Threads that carry requests. One is as fast as one Redis, and keeps the order in which different clients have sent their requests; more of them help when several replicas share the reads')
            [CompletionResult]::new('--slowlog-slower-than', '--slowlog-slower-than', [CompletionResultType]::ParameterName, 'Remember requests that take longer than this, from their arrival to their last reply; they are shown on the status page and, with their arguments, at /debug/slowlog')
            [CompletionResult]::new('--slowlog-max-len', '--slowlog-max-len', [CompletionResultType]::ParameterName, 'How many slow requests are remembered')
            [CompletionResult]::new('--key-sampling', '--key-sampling', [CompletionResultType]::ParameterName, 'The key of one in so many requests is counted, for /debug/hotkeys; 0 for none')
            [CompletionResult]::new('--listen', '--listen', [CompletionResultType]::ParameterName, 'Where the application finds its Redis: HOST:PORT, or unix:/path for a unix socket; may be given several times. With --tls-certificate the TCP ports speak TLS')
            [CompletionResult]::new('--listen-plain', '--listen-plain', [CompletionResultType]::ParameterName, 'A further port, which speaks no TLS although --listen does; may be given several times')
            [CompletionResult]::new('--unix-socket-mode', '--unix-socket-mode', [CompletionResultType]::ParameterName, 'The mode of the unix sockets, in octal; 660 lets in the owner and the group (in a Pod: fsGroup)')
            [CompletionResult]::new('--proxy-protocol-from', '--proxy-protocol-from', [CompletionResultType]::ParameterName, 'Whose connections begin with a PROXY protocol header (version 1 or 2) that names the client: networks such as 10.0.0.0/8, and `unix`; a comma between two. From all others a header is not understood. Default: nobody''s')
            [CompletionResult]::new('--tls-certificate', '--tls-certificate', [CompletionResultType]::ParameterName, 'The certificate to show to clients, and behind it those that lead to its authority (PEM); read again when it changes')
            [CompletionResult]::new('--tls-key', '--tls-key', [CompletionResultType]::ParameterName, 'Its private key (PEM, not encrypted); read again when it changes')
            [CompletionResult]::new('--tls-client-authorities', '--tls-client-authorities', [CompletionResultType]::ParameterName, 'Authorities of the clients'' certificates (PEM); without it clients are not asked for one')
            [CompletionResult]::new('--tls-client-certificates', '--tls-client-certificates', [CompletionResultType]::ParameterName, 'Whether a client must show a certificate of those authorities')
            [CompletionResult]::new('--upstream-tls-authorities', '--upstream-tls-authorities', [CompletionResultType]::ParameterName, 'Authorities that the servers'' certificates must lead to (PEM); without it the machine''s. Read again when it changes')
            [CompletionResult]::new('--upstream-tls-certificate', '--upstream-tls-certificate', [CompletionResultType]::ParameterName, 'Our own certificate, for servers that ask for one (PEM); read again when it changes')
            [CompletionResult]::new('--upstream-tls-key', '--upstream-tls-key', [CompletionResultType]::ParameterName, 'Its private key (PEM, not encrypted); read again when it changes')
            [CompletionResult]::new('--upstream-tls-server-name', '--upstream-tls-server-name', [CompletionResultType]::ParameterName, 'The name that the servers'' certificates must carry, and that is asked for (SNI); without it the host of each address')
            [CompletionResult]::new('--upstream-tls-verify', '--upstream-tls-verify', [CompletionResultType]::ParameterName, 'How much of a server''s certificate is checked')
            [CompletionResult]::new('--fault-error', '--fault-error', [CompletionResultType]::ParameterName, 'Answer some requests with an error and do not execute them, as COMMAND=PERCENT; `*` is any command. For tests')
            [CompletionResult]::new('--fault-delay', '--fault-delay', [CompletionResultType]::ParameterName, 'Take some requests in later, and what their connection sends behind them, as COMMAND=DURATION@PERCENT; `*` is any command. For tests')
            [CompletionResult]::new('--mirror', '--mirror', [CompletionResultType]::ParameterName, 'A server that gets a copy of requests; nobody waits for it, and what it cannot take in time is dropped and counted. Transactions and what waits are not mirrored. It is one server, also for a Cluster: it gets what the application has sent')
            [CompletionResult]::new('--mirror-commands', '--mirror-commands', [CompletionResultType]::ParameterName, 'Which requests are mirrored')
            [CompletionResult]::new('--mirror-percent', '--mirror-percent', [CompletionResultType]::ParameterName, 'Which part of them, from 0 to 100')
            [CompletionResult]::new('--primary', '--primary', [CompletionResultType]::ParameterName, 'The primary; whether it is one is verified, and a demotion is noticed')
            [CompletionResult]::new('--reuse-port', '--reuse-port', [CompletionResultType]::ParameterName, 'Let another process listen on the same ports and unix sockets (SO_REUSEPORT), so that a new one takes over while this one finishes what it has')
            [CompletionResult]::new('--upstream-tls', '--upstream-tls', [CompletionResultType]::ParameterName, 'Speak TLS to the servers and to the Sentinels')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'patterns;adapt-metrics' {
            [CompletionResult]::new('--statsd-listen', '--statsd-listen', [CompletionResultType]::ParameterName, 'UDP address for StatsD; `off` for none. Without any listener and any source it is :9125')
            [CompletionResult]::new('--statsd-listen-tcp', '--statsd-listen-tcp', [CompletionResultType]::ParameterName, 'TCP address for StatsD lines; `off` for none')
            [CompletionResult]::new('--statsd-listen-unixgram', '--statsd-listen-unixgram', [CompletionResultType]::ParameterName, 'Unix datagram socket to make for StatsD')
            [CompletionResult]::new('--statsd-listen-unix', '--statsd-listen-unix', [CompletionResultType]::ParameterName, 'Unix stream socket to make for StatsD: lines, or DogStatsD packets with their length in front')
            [CompletionResult]::new('--statsd-unix-mode', '--statsd-unix-mode', [CompletionResultType]::ParameterName, 'Permissions of the unix sockets, in octal')
            [CompletionResult]::new('--statsd-receive-buffer', '--statsd-receive-buffer', [CompletionResultType]::ParameterName, 'Receive buffer that is asked of the kernel for StatsD datagrams; 0 leaves its default')
            [CompletionResult]::new('--statsd-mapping', '--statsd-mapping', [CompletionResultType]::ParameterName, 'Mapping file in the dialect of statsd_exporter; reloaded when it changes, and at SIGHUP')
            [CompletionResult]::new('--statsd-naming', '--statsd-naming', [CompletionResultType]::ParameterName, 'How StatsD names are formed: exact as statsd_exporter does, uniform with base units and _total. Without it: exact with a mapping file, else uniform')
            [CompletionResult]::new('--statsd-ttl', '--statsd-ttl', [CompletionResultType]::ParameterName, 'How long a StatsD series without samples stays on the page; 0 is for ever')
            [CompletionResult]::new('--statsd-relay', '--statsd-relay', [CompletionResultType]::ParameterName, 'Where to send all StatsD lines on, as they came')
            [CompletionResult]::new('--statsd-relay-packet-length', '--statsd-relay-packet-length', [CompletionResultType]::ParameterName, 'The longest datagram that is sent on')
            [CompletionResult]::new('--statsd-parse-dogstatsd-tags', '--statsd-parse-dogstatsd-tags', [CompletionResultType]::ParameterName, 'Whether to read DogStatsD tags (`|#k:v`)')
            [CompletionResult]::new('--statsd-parse-influxdb-tags', '--statsd-parse-influxdb-tags', [CompletionResultType]::ParameterName, 'Whether to read InfluxDB tags (`name,k=v`)')
            [CompletionResult]::new('--statsd-parse-librato-tags', '--statsd-parse-librato-tags', [CompletionResultType]::ParameterName, 'Whether to read Librato tags (`name#k=v`)')
            [CompletionResult]::new('--statsd-parse-signalfx-tags', '--statsd-parse-signalfx-tags', [CompletionResultType]::ParameterName, 'Whether to read SignalFx tags (`name[k=v]`)')
            [CompletionResult]::new('--graphite-listen', '--graphite-listen', [CompletionResultType]::ParameterName, 'UDP and TCP address for Graphite''s plaintext, tagged or not; `off` for none')
            [CompletionResult]::new('--graphite-listen-pickle', '--graphite-listen-pickle', [CompletionResultType]::ParameterName, 'TCP address for Graphite''s pickles; `off` for none')
            [CompletionResult]::new('--graphite-mapping', '--graphite-mapping', [CompletionResultType]::ParameterName, 'Mapping file for Graphite names, in the dialect of graphite_exporter; reloaded when it changes, and at SIGHUP')
            [CompletionResult]::new('--graphite-strict', '--graphite-strict', [CompletionResultType]::ParameterName, 'Whether Graphite names that no mapping matches are dropped')
            [CompletionResult]::new('--influx-listen', '--influx-listen', [CompletionResultType]::ParameterName, 'UDP address for InfluxDB''s line protocol; `off` for none')
            [CompletionResult]::new('--influx-http', '--influx-http', [CompletionResultType]::ParameterName, 'Whether to take InfluxDB''s lines over HTTP, at /write and /api/v2/write')
            [CompletionResult]::new('--sample-expiry', '--sample-expiry', [CompletionResultType]::ParameterName, 'How long a Graphite or InfluxDB series without readings stays on the page')
            [CompletionResult]::new('--statsd-exporter-metrics', '--statsd-exporter-metrics', [CompletionResultType]::ParameterName, 'Whether to tell our own counts under the names of statsd_exporter as well')
            [CompletionResult]::new('--json-modules', '--json-modules', [CompletionResultType]::ParameterName, 'Modules file of json_exporter; with it /probe?module=NAME&target=URL is served. Reloaded when it changes, and at SIGHUP')
            [CompletionResult]::new('--metrics-path', '--metrics-path', [CompletionResultType]::ParameterName, 'Where to serve the page, beside /metrics')
            [CompletionResult]::new('--lifecycle-for-all', '--lifecycle-for-all', [CompletionResultType]::ParameterName, 'Whether peers from elsewhere may POST to /-/reload and /-/quit; peers on this machine always may')
            [CompletionResult]::new('--series-limit', '--series-limit', [CompletionResultType]::ParameterName, 'The most series in all, with 512 bytes of names and labels for each; further ones go to the overflow series of their family, or are dropped and counted. A flood of new names takes at most about 1 KiB of memory for each: 200 MiB')
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
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Checks rule files: mistakes, rules that nothing reaches, quirks')
            [CompletionResult]::new('explain', 'explain', [CompletionResultType]::ParameterValue, 'Says what becomes of a StatsD line or a bean''s value: every rule tried, the final series')
            [CompletionResult]::new('replay', 'replay', [CompletionResultType]::ParameterValue, 'Reads captured StatsD lines and prints the page that they give')
            [CompletionResult]::new('diff', 'diff', [CompletionResultType]::ParameterValue, 'Says which series change between two mapping files, over captured StatsD lines')
            [CompletionResult]::new('dump', 'dump', [CompletionResultType]::ParameterValue, 'Shows the next StatsD lines of a running adapter, or the values of a JVM, as the rules see them')
            break
        }
        'patterns;adapt-metrics;check' {
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'How to tell it')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'patterns;adapt-metrics;explain' {
            [CompletionResult]::new('--line', '--line', [CompletionResultType]::ParameterName, 'The line, such as ''web.hits:1|c|#path:/a''')
            [CompletionResult]::new('--bean', '--bean', [CompletionResultType]::ParameterName, 'A bean''s value as `dump --jmx` shows it, such as ''java.lang<type=Memory><HeapMemoryUsage>used: 5''')
            [CompletionResult]::new('--rules-file', '--rules-file', [CompletionResultType]::ParameterName, 'Rules file in the dialect of jmx_exporter, for --bean; without it, names come from the bean')
            [CompletionResult]::new('--statsd-mapping', '--statsd-mapping', [CompletionResultType]::ParameterName, 'Mapping file in the dialect of statsd_exporter')
            [CompletionResult]::new('--statsd-naming', '--statsd-naming', [CompletionResultType]::ParameterName, 'How names are formed; without it: exact with a mapping file, else uniform')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'patterns;adapt-metrics;replay' {
            [CompletionResult]::new('--statsd-mapping', '--statsd-mapping', [CompletionResultType]::ParameterName, 'Mapping file in the dialect of statsd_exporter')
            [CompletionResult]::new('--statsd-naming', '--statsd-naming', [CompletionResultType]::ParameterName, 'How names are formed; without it: exact with a mapping file, else uniform')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'patterns;adapt-metrics;diff' {
            [CompletionResult]::new('--capture', '--capture', [CompletionResultType]::ParameterName, 'A file of StatsD lines, or - for standard input')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'patterns;adapt-metrics;dump' {
            [CompletionResult]::new('--adapter', '--adapter', [CompletionResultType]::ParameterName, 'The adapter''s HTTP address on this machine')
            [CompletionResult]::new('--count', '--count', [CompletionResultType]::ParameterName, 'How many lines')
            [CompletionResult]::new('--jmx', '--jmx', [CompletionResultType]::ParameterName, 'A JVM to be read instead: HOST:PORT, a service:jmx: URL, or local:PID')
            [CompletionResult]::new('--rules-file', '--rules-file', [CompletionResultType]::ParameterName, 'Rules file in the dialect of jmx_exporter that says which beans, and which JVM where --jmx does not')
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
