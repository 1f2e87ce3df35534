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
complete -c patterns -n "__fish_patterns_needs_command" -f -a "sync-git" -d 'Sidecar: keeps a shared volume in step with a git repository, atomically'
complete -c patterns -n "__fish_patterns_needs_command" -f -a "ambassador-redis" -d 'Makes a Redis primary with replicas look like one Redis on localhost, reads and writes split'
complete -c patterns -n "__fish_patterns_needs_command" -f -a "adapt-metrics" -d 'Turns StatsD, JMX and application statistics into one page of Prometheus metrics'
complete -c patterns -n "__fish_patterns_needs_command" -f -a "probe" -d 'Ask a running mode for its health: the probe of a container without curl or a shell'
complete -c patterns -n "__fish_patterns_needs_command" -f -a "config" -d 'Look at settings: print those in force, check a file, print the schema'
complete -c patterns -n "__fish_patterns_needs_command" -f -a "completions" -d 'Print the completions of a shell'
complete -c patterns -n "__fish_patterns_needs_command" -f -a "man" -d 'Write the man pages into a directory'
complete -c patterns -n "__fish_patterns_needs_command" -f -a "install-links" -d 'Make links to this binary, named by the modes'
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l repo -d 'The repository: https, http, ssh, git or file URL, `user@host:path`, or a path' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l ref -d 'What to follow: a branch, a tag, a full hash, HEAD for the remote\'s default branch, or the tag of the newest version in a range (semver:^1.2, semver:~1.2.3, semver:*)' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l depth -d 'How many commits of history to keep; 0 keeps all' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l filter -d 'Fetch with this partial-clone filter (blob:none, tree:0, …); what the tree needs comes in one further request' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l sparse-checkout-file -d 'A file with git\'s sparse-checkout patterns: only what they let through is written' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l lfs -d 'Write the contents of Git LFS files, not their pointers; not in submodules' -r -f -a "true\t''
false\t''"
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l lfs-url -d 'The LFS server [default: what .lfsconfig says, else --repo with .git/info/lfs behind it]' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l path -d 'Write only this directory (or file) of the repository, and fetch only its files where the server can (--filter blob:none); may be repeated' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l submodules -d 'Which submodules to write' -r -f -a "recursive\t'All, to any depth'
shallow\t'Those of the repository, but not theirs'
off\t'None; their directories stay empty'"
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l root -d 'The directory that holds the store, the trees and, unless --link is absolute, the link' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l wipe-root -d 'At start, remove everything from --root that is not part of it: git-sync does so by itself with a root that it does not know; here other files stay unless this is given' -r -f -a "true\t''
false\t''"
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l link -d 'What to publish, absolute or relative to --root: a symbolic link, unless --publish says otherwise [default: the last part of --repo]' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l publish -d 'What stands at --link, and how it changes' -r -f -a "symlink\t'A symbolic link to the commit\'s tree, named by its hash: readers see the old tree or the new one, never a mixture; a process that resolved the link before (its working directory, a subPath mount) stays in the old tree'
exchange\t'A directory, which changes places with the new one in a single step (renameat2): for readers that cannot follow a link. They see the old tree or the new one; a process in the old directory, and a subPath mount of it, stays there. Needs a file system that can exchange (not NFS), and --link on that of --root. Before the exchange, git does not work in the new directory (a hook of --pre-publish-exechook-command reads its files)'
in-place\t'A directory that stays the same one while its changed files are replaced, each in a single step: for subPath mounts and processes that stay in it. They see a mixture of the two commits for the moment of a change, and after a crash until the next start; other files in it are left alone. Needs --link on the file system of --root'"
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l stale-worktree-timeout -d 'How long a replaced tree stays; 0 removes it at once' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l keep-worktrees -d 'How many replaced trees stay at least, the newest first, whatever their age' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l git-gc -d 'When to drop objects that no kept tree needs' -r -f -a "auto\t'When most of what is stored is garbage, or there are very many packs'
always\t'When a fifth of what is stored is garbage, or there are many packs'
aggressive\t'Whenever there is any'
off\t'Never'"
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l reuse -d 'How unchanged files come into the next tree. A file is taken over only if its type, permissions, size, inode and time are still those that were written; else it is written anew' -r -f -a "auto\t'recycle; and where old trees go at once and the group may not write, its first spare tree is made of hard links to the published files, so that the first change is fast, too, and takes no space: a program that writes into a file of an old tree while it is replaced then writes into the new tree\'s, until --verify-interval notices'
off\t'Written anew, always'
reflink\t'As clones of their extents (btrfs, XFS); written anew where the file system cannot'
hardlink\t'As hard links to those of the published tree; whoever writes into one in place writes into all trees that share it'
recycle\t'Moved, with whole directories where nothing in them changed, out of the tree before, which is kept inside .git for this when its time is over: a change costs what it changes. No file is in two trees, and a program that still has the old tree open sees files vanish from it, as when it is removed, never new ones in it'"
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l group-write -d 'Make everything that is written writable for the group' -r -f -a "true\t''
false\t''"
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l archive -d 'Also write the tree as a file that ends in .tar.gz, .tgz or .tar, absolute or relative to --root, with its SHA-256 beside it: the same bytes for the same commit, replaced in one step before the link turns' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l touch-file -d 'A file to touch after each sync that changed something, absolute or relative to --root' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l error-file -d 'A file that holds the last error as JSON and is removed after a success, absolute or relative to --root' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l period -d 'The pause after a sync' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l init-period -d 'The pause until the first success [default: --period]' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l period-jitter -d 'How much longer than --period a pause may be, drawn anew each time, in per cent: spreads the polls of many replicas' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l max-backoff -d 'After failures in a row the pause doubles each time, up to this; 0 keeps to the period. A signal or POST /sync cuts any pause short' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l one-time -d 'Sync once, then exit' -r -f -a "true\t''
false\t''"
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l sync-timeout -d 'The time for all of one sync' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l sync-concurrency -d 'How many repositories may sync at the same time, where the settings file has several' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l max-failures -d 'How many syncs may fail in a row before the process exits with 1: 0 and 1 exit at the first failure, negative never' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l init-max-failures -d 'The same before the first success [default: --max-failures]' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l sync-on-signal -d 'A signal (SIGHUP, HUP or its number) that starts a sync at once' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l sync-token-file -d 'A file with the token or webhook secret for POST /sync, which starts a sync at once; without it only this machine may ask' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l max-staleness -d 'Not ready any more when the last success is older than this; 0: never' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l verify-interval -d 'How often to compare every published file with the commit, and write the tree again if it differs; 0 only at start. Nothing that can be fetched again is forced to the disk (fsync): what a power cut takes is found by the comparison at start' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l exechook-command -d 'A program to run after each sync that changed something, in the new tree, without a shell; it must be idempotent. It finds GITSYNC_HASH, GITSYNC_PREVIOUS_HASH, GITSYNC_REF and, where both hashes are known, in GITSYNC_CHANGES a file that lists what differs, a line each: A, M or D, a tab, the path' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l exechook-timeout -d 'How long that program may take' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l exechook-backoff -d 'How long to wait before it is tried again after a failure' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l pre-publish-exechook-command -d 'A program to run in a new tree before the link turns to it' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l pre-publish-exechook-timeout -d 'How long that program may take' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l pre-publish-exechook-backoff -d 'How long to wait before it is tried again after a failure' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l pre-publish-exechook-gate -d 'Publish only what the pre-publish program accepts: wait for it, and keep the old tree when it fails' -r -f -a "true\t''
false\t''"
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l webhook-url -d 'A URL to call after each sync that changed something; it must be idempotent' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l webhook-method -d 'The method of that call' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l webhook-success-status -d 'The status that means success; 0 or -1: any answer will do' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l webhook-body -d 'What the call says beside the headers Gitsync-Hash, Gitsync-Previous-Hash and Gitsync-Ref' -r -f -a "none\t'Nothing'
json\t'The hashes, the ref and the changed paths'"
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l webhook-timeout -d 'How long that call may take' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l webhook-backoff -d 'How long to wait before it is tried again after a failure' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l username -d 'The user name for --repo; the password comes from --password-file or $GITSYNC_PASSWORD' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l password -d '`$GITSYNC_PASSWORD`; git-sync still takes it as a flag, too, under two names' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l password-file -d 'A file with the password or token; it is read again before each sync' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l credential -d 'Credentials for further URLs (submodules), as JSON: one object or a list of objects with the keys url, username, and password or password-file' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l askpass-url -d 'A URL that answers with lines username=… and password=…, asked before each sync' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l cookie-file -d 'Send the cookies of /etc/git-secret/cookie_file' -r -f -a "true\t''
false\t''"
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l ssh-key-file -d 'A private key for ssh; several are tried in order' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l ssh-known-hosts -d 'Talk only to hosts that the known_hosts file vouches for' -r -f -a "true\t''
false\t''"
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l ssh-known-hosts-file -d 'The known_hosts file' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l github-app-application-id -d 'The id of a GitHub App to authenticate as' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l github-app-client-id -d 'The client id of a GitHub App to authenticate as, instead of its application id' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l github-app-installation-id -d 'The id of that App\'s installation' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l github-app-private-key-file -d 'A file with that App\'s private key (PEM)' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l __env__GITSYNC_GITHUB_APP_PRIVATE_KEY -d '`$GITSYNC_GITHUB_APP_PRIVATE_KEY`, which is no flag of git-sync\'s but in its tests' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l github-base-url -d 'Where GitHub\'s API is' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l git-config -d 'Further settings in git\'s own names: `key:value,"quoted key":"value"`; see the manual for those that have a meaning' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l git-config-add -d 'One such pair; may be repeated' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l symlinks -d 'What symbolic links in the repository may point at' -r -f -a "keep\t'Anything, as git has it; a link may lead a consumer to its own files'
inside-only\t'Only what lies in the tree; a commit with another link is refused'
reject\t'Nothing; a commit with a link is refused'"
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l max-pack-bytes -d 'The largest pack to receive' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l max-objects -d 'The most objects in one pack' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l max-object-bytes -d 'The largest single object, unpacked' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l max-tree-bytes -d 'The largest tree: all its files together, unpacked' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l max-path-depth -d 'The most directories on a path' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l verify-signatures -d 'What must carry a good signature of a key in the files below; without one nothing is published, and what is published stays' -r -f -a "off\t'Nothing is asked'
commit\t'The commit'
tag\t'The annotated tag that --ref names'
either\t'The tag if it carries a signature, else the commit'"
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l allowed-signers-file -d 'The keys of SSH signatures: allowed signers as in ssh-keygen(1), read again at each sync. A line\'s times are compared with the time that the commit or tag states, as git does; take a key that is lost out of the file' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l openpgp-keyring-file -d 'The keys of OpenPGP signatures: public keys as `gpg --export` writes them, armoured or not, read again at each sync. A key that has expired or is revoked does not count, whenever the signature was made' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l branch -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l rev -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l dest -r -F
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l wait -d 'Seconds, with a fraction' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l timeout -d 'Whole seconds' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l max-sync-failures -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l change-permissions -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l sync-hook-command -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l ssh -r -f -a "true\t''
false\t''"
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l git -d 'There is no git here to run' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l add-user -d 'Nothing here looks at /etc/passwd' -r -f -a "true\t''
false\t''"
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l http-metrics -d 'The metrics are always there' -r -f -a "true\t''
false\t''"
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l http-pprof -d 'Serves a page of the process\' own figures under git-sync\'s path; there is no profiler' -r -f -a "true\t''
false\t''"
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -s v -l verbose -d 'git-sync\'s level: 0 is our info, 1 to 6 debug, more is trace' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l config -d 'Settings file (YAML) with a section per mode; its keys are the long names of the options' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l log -d 'What to log: a level (error, warn, info, debug, trace) or a filter such as `info,patterns::core=debug`' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l log-format -d 'How to log: text for people, json for machines, auto for text on a terminal and json elsewhere' -r -f -a "auto\t'Text on a terminal, JSON elsewhere'
text\t'For people'
json\t'One JSON object a line'"
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l drain-timeout -d 'How long to finish what is in flight after SIGTERM before it is cut' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l termination-log -d 'Where to leave the reason of a fatal exit, if the file exists' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -l http-bind -d 'Where to serve /livez, /readyz, /startupz, /metrics and the status page; `off` for nowhere' -r
complete -c patterns -n "__fish_patterns_using_subcommand sync-git" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l primary -d 'The primary; whether it is one is verified, and a demotion is noticed' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l replica -d 'A replica of that primary; may be given several times' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l upstream -d 'A server whose role is to be found out; a name may stand for many addresses, and is resolved again and again' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l sentinel -d 'A Sentinel; may be given several times' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l cluster -d 'Servers of a Redis Cluster, a comma between two; the others are found from them. A name may stand for many addresses. The application uses an ordinary client, not one for a Cluster (CLUSTER and READONLY are refused as by a Redis without one), and sees one Redis with one database. Keys of several slots at once are refused (CROSSSLOT), except by MGET, MSET (atomic only within a slot), DEL, UNLINK, EXISTS and TOUCH; a transaction has one slot. CLIENT TRACKING works in RESP3 only (no REDIRECT), and a client that tracks reads from primaries; MONITOR shows what all primaries do, WAIT counts the replicas of the shard that has fewest' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l map-address -d 'How an address that Sentinels or a Cluster announce is reached from here, as HOST[:PORT]=HOST[:PORT]; may be given several times' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l sentinel-primary -d 'The name that the Sentinels have for the primary' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l sentinel-password-file -d 'File with the password of the Sentinels' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l upstream-username -d 'The user that the ambassador is to the servers' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l upstream-password-file -d 'File with the password for the servers; without it clients authenticate themselves' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l users-file -d 'File with users of the ambassador\'s own, in the form of Redis\' ACL files: `user NAME on #SHA256 ~* +@all` (or +@read), one a line. Clients then authenticate here, not at the servers. Read again when it changes' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l read-from -d 'Who answers reads: primary, prefer-primary, replica, prefer-replica, any, nearest' -r -f -a "primary\t'Only the primary'
prefer-primary\t'The primary; a replica while the primary cannot be reached'
replica\t'Only replicas'
prefer-replica\t'A replica; the primary if no replica may answer'
any\t'Whoever has least to do, the primary included'
nearest\t'Whoever answers soonest, the primary included; in doubt who has least to do'"
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l consistency -d 'What a read may miss: nothing that the primary has told any client of this ambassador (proxy) or the read\'s own connection (session), anything (eventual); `primary` reads from the primary only. In proxy and session what a connection reads never goes back in time; two connections may for a moment see different replicas of what others write' -r -f -a "eventual\t'A replica may answer whatever it has'
session\t'A client connection sees all that it has written, and all that it has seen'
proxy\t'Every client of this ambassador sees what the primary has told any of them, and each all that it has seen itself'
primary\t'Only the primary answers'"
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l max-replica-lag -d 'How far a replica may trail behind the primary, in bytes of the replication stream, and still answer' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l max-replica-lag-time -d 'How long a replica may lack what the primary has, and still answer; measured from offsets, to the precision of --probe-period. 0 for as long as --max-replica-lag allows' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l zone -d 'The zone of this ambassador: replicas with the same --node-zone answer while one of them can' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l node-zone -d 'The zone of a server, as HOST=ZONE or HOST:PORT=ZONE; several with a comma between two, or given several times' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l node-weight -d 'The share of the sessions that a replica gets beside the others, as HOST=COUNT or HOST:PORT=COUNT; without one it is 1' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l max-ejected -d 'At most this part of the replicas is left alone for being far slower than the others; 0 for none' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l failover-hold -d 'How long requests wait for a primary that was there before, until they are answered with an error' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l connect-timeout -d 'How long a connection attempt to a server may take' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l reply-timeout -d 'How long a server may leave a request unanswered before its connection is given up; 0 for ever, as a Redis would' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l probe-period -d 'How often the role and the offset of each server are asked for' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l probe-timeout -d 'How long a server may take to answer a probe' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l deny -d 'Commands that are refused; a comma between two. What else an application may do to its Redis (REPLICAOF, CONFIG, DEBUG) is for the ACL of the servers to say; it is done by the primary' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l max-bulk -d 'The longest argument that a client may send' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l max-clients -d 'The most clients at a time' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l idle-timeout -d 'Close clients that send nothing for this long; 0 for never' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l workers -d 'Threads that carry requests. One is as fast as one Redis, and keeps the order in which different clients have sent their requests; more of them help when several replicas share the reads' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l slowlog-slower-than -d 'Remember requests that take longer than this, from their arrival to their last reply; they are shown on the status page and, with their arguments, at /debug/slowlog' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l slowlog-max-len -d 'How many slow requests are remembered' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l key-sampling -d 'The key of one in so many requests is counted, for /debug/hotkeys; 0 for none' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l listen -d 'Where the application finds its Redis: HOST:PORT, or unix:/path for a unix socket; may be given several times. With --tls-certificate the TCP ports speak TLS' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l listen-plain -d 'A further port, which speaks no TLS although --listen does; may be given several times' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l unix-socket-mode -d 'The mode of the unix sockets, in octal; 660 lets in the owner and the group (in a Pod: fsGroup)' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l reuse-port -d 'Let another process listen on the same ports and unix sockets (SO_REUSEPORT), so that a new one takes over while this one finishes what it has' -r -f -a "true\t''
false\t''"
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l proxy-protocol-from -d 'Whose connections begin with a PROXY protocol header (version 1 or 2) that names the client: networks such as 10.0.0.0/8, and `unix`; a comma between two. From all others a header is not understood. Default: nobody\'s' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l tls-certificate -d 'The certificate to show to clients, and behind it those that lead to its authority (PEM); read again when it changes' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l tls-key -d 'Its private key (PEM, not encrypted); read again when it changes' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l tls-client-authorities -d 'Authorities of the clients\' certificates (PEM); without it clients are not asked for one' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l tls-client-certificates -d 'Whether a client must show a certificate of those authorities' -r -f -a "required\t'No connection without one'
optional\t'One that is shown must be right; none is fine too'"
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l upstream-tls -d 'Speak TLS to the servers and to the Sentinels' -r -f -a "true\t''
false\t''"
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l upstream-tls-authorities -d 'Authorities that the servers\' certificates must lead to (PEM); without it the machine\'s. Read again when it changes' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l upstream-tls-certificate -d 'Our own certificate, for servers that ask for one (PEM); read again when it changes' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l upstream-tls-key -d 'Its private key (PEM, not encrypted); read again when it changes' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l upstream-tls-server-name -d 'The name that the servers\' certificates must carry, and that is asked for (SNI); without it the host of each address' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l upstream-tls-verify -d 'How much of a server\'s certificate is checked' -r -f -a "full\t'It leads to a trusted authority, and carries the server\'s name'
authority\t'It leads to a trusted authority, whatever name it carries'
none\t'Nothing: whoever answers is believed. For tests'"
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l fault-error -d 'Answer some requests with an error and do not execute them, as COMMAND=PERCENT; `*` is any command. For tests' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l fault-delay -d 'Take some requests in later, and what their connection sends behind them, as COMMAND=DURATION@PERCENT; `*` is any command. For tests' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l mirror -d 'A server that gets a copy of requests; nobody waits for it, and what it cannot take in time is dropped and counted. Transactions and what waits are not mirrored. It is one server, also for a Cluster: it gets what the application has sent' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l mirror-commands -d 'Which requests are mirrored' -r -f -a "writes\t'What writes, or may write'
all\t'Reads, too'"
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l mirror-percent -d 'Which part of them, from 0 to 100' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l config -d 'Settings file (YAML) with a section per mode; its keys are the long names of the options' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l log -d 'What to log: a level (error, warn, info, debug, trace) or a filter such as `info,patterns::core=debug`' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l log-format -d 'How to log: text for people, json for machines, auto for text on a terminal and json elsewhere' -r -f -a "auto\t'Text on a terminal, JSON elsewhere'
text\t'For people'
json\t'One JSON object a line'"
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l drain-timeout -d 'How long to finish what is in flight after SIGTERM before it is cut' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l termination-log -d 'Where to leave the reason of a fatal exit, if the file exists' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -l http-bind -d 'Where to serve /livez, /readyz, /startupz, /metrics and the status page; `off` for nowhere' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and not __fish_seen_subcommand_from explain" -f -a "explain" -d 'Tells where a command would go, and why'
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l config -d 'Settings file (YAML), as for the ambassador itself' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l replica -d 'A replica of that primary; may be given several times' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l upstream -d 'A server whose role is to be found out; a name may stand for many addresses, and is resolved again and again' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l sentinel -d 'A Sentinel; may be given several times' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l cluster -d 'Servers of a Redis Cluster, a comma between two; the others are found from them. A name may stand for many addresses. The application uses an ordinary client, not one for a Cluster (CLUSTER and READONLY are refused as by a Redis without one), and sees one Redis with one database. Keys of several slots at once are refused (CROSSSLOT), except by MGET, MSET (atomic only within a slot), DEL, UNLINK, EXISTS and TOUCH; a transaction has one slot. CLIENT TRACKING works in RESP3 only (no REDIRECT), and a client that tracks reads from primaries; MONITOR shows what all primaries do, WAIT counts the replicas of the shard that has fewest' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l map-address -d 'How an address that Sentinels or a Cluster announce is reached from here, as HOST[:PORT]=HOST[:PORT]; may be given several times' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l sentinel-primary -d 'The name that the Sentinels have for the primary' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l sentinel-password-file -d 'File with the password of the Sentinels' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l upstream-username -d 'The user that the ambassador is to the servers' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l upstream-password-file -d 'File with the password for the servers; without it clients authenticate themselves' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l users-file -d 'File with users of the ambassador\'s own, in the form of Redis\' ACL files: `user NAME on #SHA256 ~* +@all` (or +@read), one a line. Clients then authenticate here, not at the servers. Read again when it changes' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l read-from -d 'Who answers reads: primary, prefer-primary, replica, prefer-replica, any, nearest' -r -f -a "primary\t'Only the primary'
prefer-primary\t'The primary; a replica while the primary cannot be reached'
replica\t'Only replicas'
prefer-replica\t'A replica; the primary if no replica may answer'
any\t'Whoever has least to do, the primary included'
nearest\t'Whoever answers soonest, the primary included; in doubt who has least to do'"
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l consistency -d 'What a read may miss: nothing that the primary has told any client of this ambassador (proxy) or the read\'s own connection (session), anything (eventual); `primary` reads from the primary only. In proxy and session what a connection reads never goes back in time; two connections may for a moment see different replicas of what others write' -r -f -a "eventual\t'A replica may answer whatever it has'
session\t'A client connection sees all that it has written, and all that it has seen'
proxy\t'Every client of this ambassador sees what the primary has told any of them, and each all that it has seen itself'
primary\t'Only the primary answers'"
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l max-replica-lag -d 'How far a replica may trail behind the primary, in bytes of the replication stream, and still answer' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l max-replica-lag-time -d 'How long a replica may lack what the primary has, and still answer; measured from offsets, to the precision of --probe-period. 0 for as long as --max-replica-lag allows' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l zone -d 'The zone of this ambassador: replicas with the same --node-zone answer while one of them can' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l node-zone -d 'The zone of a server, as HOST=ZONE or HOST:PORT=ZONE; several with a comma between two, or given several times' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l node-weight -d 'The share of the sessions that a replica gets beside the others, as HOST=COUNT or HOST:PORT=COUNT; without one it is 1' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l max-ejected -d 'At most this part of the replicas is left alone for being far slower than the others; 0 for none' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l failover-hold -d 'How long requests wait for a primary that was there before, until they are answered with an error' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l connect-timeout -d 'How long a connection attempt to a server may take' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l reply-timeout -d 'How long a server may leave a request unanswered before its connection is given up; 0 for ever, as a Redis would' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l probe-period -d 'How often the role and the offset of each server are asked for' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l probe-timeout -d 'How long a server may take to answer a probe' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l deny -d 'Commands that are refused; a comma between two. What else an application may do to its Redis (REPLICAOF, CONFIG, DEBUG) is for the ACL of the servers to say; it is done by the primary' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l max-bulk -d 'The longest argument that a client may send' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l max-clients -d 'The most clients at a time' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l idle-timeout -d 'Close clients that send nothing for this long; 0 for never' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l workers -d 'Threads that carry requests. One is as fast as one Redis, and keeps the order in which different clients have sent their requests; more of them help when several replicas share the reads' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l slowlog-slower-than -d 'Remember requests that take longer than this, from their arrival to their last reply; they are shown on the status page and, with their arguments, at /debug/slowlog' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l slowlog-max-len -d 'How many slow requests are remembered' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l key-sampling -d 'The key of one in so many requests is counted, for /debug/hotkeys; 0 for none' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l listen -d 'Where the application finds its Redis: HOST:PORT, or unix:/path for a unix socket; may be given several times. With --tls-certificate the TCP ports speak TLS' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l listen-plain -d 'A further port, which speaks no TLS although --listen does; may be given several times' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l unix-socket-mode -d 'The mode of the unix sockets, in octal; 660 lets in the owner and the group (in a Pod: fsGroup)' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l proxy-protocol-from -d 'Whose connections begin with a PROXY protocol header (version 1 or 2) that names the client: networks such as 10.0.0.0/8, and `unix`; a comma between two. From all others a header is not understood. Default: nobody\'s' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l tls-certificate -d 'The certificate to show to clients, and behind it those that lead to its authority (PEM); read again when it changes' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l tls-key -d 'Its private key (PEM, not encrypted); read again when it changes' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l tls-client-authorities -d 'Authorities of the clients\' certificates (PEM); without it clients are not asked for one' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l tls-client-certificates -d 'Whether a client must show a certificate of those authorities' -r -f -a "required\t'No connection without one'
optional\t'One that is shown must be right; none is fine too'"
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l upstream-tls-authorities -d 'Authorities that the servers\' certificates must lead to (PEM); without it the machine\'s. Read again when it changes' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l upstream-tls-certificate -d 'Our own certificate, for servers that ask for one (PEM); read again when it changes' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l upstream-tls-key -d 'Its private key (PEM, not encrypted); read again when it changes' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l upstream-tls-server-name -d 'The name that the servers\' certificates must carry, and that is asked for (SNI); without it the host of each address' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l upstream-tls-verify -d 'How much of a server\'s certificate is checked' -r -f -a "full\t'It leads to a trusted authority, and carries the server\'s name'
authority\t'It leads to a trusted authority, whatever name it carries'
none\t'Nothing: whoever answers is believed. For tests'"
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l fault-error -d 'Answer some requests with an error and do not execute them, as COMMAND=PERCENT; `*` is any command. For tests' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l fault-delay -d 'Take some requests in later, and what their connection sends behind them, as COMMAND=DURATION@PERCENT; `*` is any command. For tests' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l mirror -d 'A server that gets a copy of requests; nobody waits for it, and what it cannot take in time is dropped and counted. Transactions and what waits are not mirrored. It is one server, also for a Cluster: it gets what the application has sent' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l mirror-commands -d 'Which requests are mirrored' -r -f -a "writes\t'What writes, or may write'
all\t'Reads, too'"
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l mirror-percent -d 'Which part of them, from 0 to 100' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l primary -d 'The primary; whether it is one is verified, and a demotion is noticed' -r
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l reuse-port -d 'Let another process listen on the same ports and unix sockets (SO_REUSEPORT), so that a new one takes over while this one finishes what it has'
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -l upstream-tls -d 'Speak TLS to the servers and to the Sentinels'
complete -c patterns -n "__fish_patterns_using_subcommand ambassador-redis; and __fish_seen_subcommand_from explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l statsd-listen -d 'UDP address for StatsD; `off` for none. Without any listener and any source it is :9125' -r
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l statsd-listen-tcp -d 'TCP address for StatsD lines; `off` for none' -r
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l statsd-listen-unixgram -d 'Unix datagram socket to make for StatsD' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l statsd-listen-unix -d 'Unix stream socket to make for StatsD: lines, or DogStatsD packets with their length in front' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l statsd-unix-mode -d 'Permissions of the unix sockets, in octal' -r
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l statsd-receive-buffer -d 'Receive buffer that is asked of the kernel for StatsD datagrams; 0 leaves its default' -r
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l statsd-mapping -d 'Mapping file in the dialect of statsd_exporter; reloaded when it changes, and at SIGHUP' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l statsd-naming -d 'How StatsD names are formed: exact as statsd_exporter does, uniform with base units and _total. Without it: exact with a mapping file, else uniform' -r -f -a "exact\t'As statsd_exporter names them, letter for letter'
uniform\t'In snake case, with base units and `_total` added where they are missing'"
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l statsd-ttl -d 'How long a StatsD series without samples stays on the page; 0 is for ever' -r
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l statsd-relay -d 'Where to send all StatsD lines on, as they came' -r
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l statsd-relay-packet-length -d 'The longest datagram that is sent on' -r
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l statsd-parse-dogstatsd-tags -d 'Whether to read DogStatsD tags (`|#k:v`)' -r -f -a "true\t''
false\t''"
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l statsd-parse-influxdb-tags -d 'Whether to read InfluxDB tags (`name,k=v`)' -r -f -a "true\t''
false\t''"
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l statsd-parse-librato-tags -d 'Whether to read Librato tags (`name#k=v`)' -r -f -a "true\t''
false\t''"
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l statsd-parse-signalfx-tags -d 'Whether to read SignalFx tags (`name[k=v]`)' -r -f -a "true\t''
false\t''"
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l graphite-listen -d 'UDP and TCP address for Graphite\'s plaintext, tagged or not; `off` for none' -r
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l graphite-listen-pickle -d 'TCP address for Graphite\'s pickles; `off` for none' -r
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l graphite-mapping -d 'Mapping file for Graphite names, in the dialect of graphite_exporter; reloaded when it changes, and at SIGHUP' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l graphite-strict -d 'Whether Graphite names that no mapping matches are dropped' -r -f -a "true\t''
false\t''"
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l influx-listen -d 'UDP address for InfluxDB\'s line protocol; `off` for none' -r
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l influx-http -d 'Whether to take InfluxDB\'s lines over HTTP, at /write and /api/v2/write' -r -f -a "true\t''
false\t''"
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l sample-expiry -d 'How long a Graphite or InfluxDB series without readings stays on the page' -r
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l statsd-exporter-metrics -d 'Whether to tell our own counts under the names of statsd_exporter as well' -r -f -a "true\t''
false\t''"
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l json-modules -d 'Modules file of json_exporter; with it /probe?module=NAME&target=URL is served. Reloaded when it changes, and at SIGHUP' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l metrics-path -d 'Where to serve the page, beside /metrics' -r
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l lifecycle-for-all -d 'Whether peers from elsewhere may POST to /-/reload and /-/quit; peers on this machine always may' -r -f -a "true\t''
false\t''"
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l series-limit -d 'The most series in all, with 512 bytes of names and labels for each; further ones go to the overflow series of their family, or are dropped and counted. A flood of new names takes at most about 1 KiB of memory for each: 200 MiB' -r
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l series-limit-per-family -d 'The most series of one family' -r
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l series-limit-per-source -d 'The most series of one source' -r
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l config -d 'Settings file (YAML) with a section per mode; its keys are the long names of the options' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l log -d 'What to log: a level (error, warn, info, debug, trace) or a filter such as `info,patterns::core=debug`' -r
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l log-format -d 'How to log: text for people, json for machines, auto for text on a terminal and json elsewhere' -r -f -a "auto\t'Text on a terminal, JSON elsewhere'
text\t'For people'
json\t'One JSON object a line'"
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l drain-timeout -d 'How long to finish what is in flight after SIGTERM before it is cut' -r
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l termination-log -d 'Where to leave the reason of a fatal exit, if the file exists' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -l http-bind -d 'Where to serve /livez, /readyz, /startupz, /metrics and the status page; `off` for nowhere' -r
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -f -a "check" -d 'Checks rule files: mistakes, rules that nothing reaches, quirks'
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -f -a "explain" -d 'Says what becomes of a StatsD line or a bean\'s value: every rule tried, the final series'
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -f -a "replay" -d 'Reads captured StatsD lines and prints the page that they give'
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -f -a "diff" -d 'Says which series change between two mapping files, over captured StatsD lines'
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and not __fish_seen_subcommand_from check explain replay diff dump" -f -a "dump" -d 'Shows the next StatsD lines of a running adapter, or the values of a JVM, as the rules see them'
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and __fish_seen_subcommand_from check" -l format -d 'How to tell it' -r -f -a "text\t'A line each, for people'
json\t'A list, for machines'"
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and __fish_seen_subcommand_from explain" -l line -d 'The line, such as \'web.hits:1|c|#path:/a\'' -r
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and __fish_seen_subcommand_from explain" -l bean -d 'A bean\'s value as `dump --jmx` shows it, such as \'java.lang<type=Memory><HeapMemoryUsage>used: 5\'' -r
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and __fish_seen_subcommand_from explain" -l rules-file -d 'Rules file in the dialect of jmx_exporter, for --bean; without it, names come from the bean' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and __fish_seen_subcommand_from explain" -l statsd-mapping -d 'Mapping file in the dialect of statsd_exporter' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and __fish_seen_subcommand_from explain" -l statsd-naming -d 'How names are formed; without it: exact with a mapping file, else uniform' -r -f -a "exact\t'As statsd_exporter names them, letter for letter'
uniform\t'In snake case, with base units and `_total` added where they are missing'"
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and __fish_seen_subcommand_from explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and __fish_seen_subcommand_from replay" -l statsd-mapping -d 'Mapping file in the dialect of statsd_exporter' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and __fish_seen_subcommand_from replay" -l statsd-naming -d 'How names are formed; without it: exact with a mapping file, else uniform' -r -f -a "exact\t'As statsd_exporter names them, letter for letter'
uniform\t'In snake case, with base units and `_total` added where they are missing'"
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and __fish_seen_subcommand_from replay" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and __fish_seen_subcommand_from diff" -l capture -d 'A file of StatsD lines, or - for standard input' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and __fish_seen_subcommand_from diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and __fish_seen_subcommand_from dump" -l adapter -d 'The adapter\'s HTTP address on this machine' -r
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and __fish_seen_subcommand_from dump" -l count -d 'How many lines' -r
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and __fish_seen_subcommand_from dump" -l jmx -d 'A JVM to be read instead: HOST:PORT, a service:jmx: URL, or local:PID' -r
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and __fish_seen_subcommand_from dump" -l rules-file -d 'Rules file in the dialect of jmx_exporter that says which beans, and which JVM where --jmx does not' -r -F
complete -c patterns -n "__fish_patterns_using_subcommand adapt-metrics; and __fish_seen_subcommand_from dump" -s h -l help -d 'Print help (see more with \'--help\')'
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
