//! What the README and `examples/` tell people to run is what the binary takes: every manifest's arguments, probes and
//! ports, every settings file, every command of the README.
#![cfg(all(feature = "sync-git", feature = "ambassador-redis", feature = "adapt-metrics"))]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use patterns::core::document::{self, Mistakes, Node, Value};
use patterns::modes;
use support::{patterns, run};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(dir: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(dir)).unwrap_or_else(|error| panic!("{dir}: {error}"));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{dir} is empty");
    files
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A manifest's objects.
struct Manifest {
    path: PathBuf,
    objects: Vec<Node>,
}

fn manifests() -> Vec<Manifest> {
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let mut mistakes = Mistakes::new(path.display());
        let objects = text.split("\n---\n").map(|one| document::parse(one, &mut mistakes)).collect();
        assert!(mistakes.is_empty(), "{mistakes}");
        Manifest { path, objects }
    };
    files("examples/kubernetes").into_iter().map(read).collect()
}

fn at<'n>(node: &'n Node, path: &str) -> Option<&'n Node> {
    path.split('.').try_fold(node, |node, key| node.field(key))
}

fn text<'n>(node: &'n Node, path: &str) -> Option<&'n str> {
    at(node, path).and_then(Node::text)
}

fn items<'n>(node: &'n Node, path: &str) -> &'n [Node] {
    match at(node, path).map(|node| &node.value) {
        Some(Value::Sequence(items)) => items,
        _ => &[],
    }
}

fn texts(node: &Node, path: &str) -> Vec<String> {
    items(node, path).iter().map(|item| item.text().expect("a text").to_owned()).collect()
}

impl Manifest {
    fn pods(&self) -> Vec<&Node> {
        let pod = |object| {
            at(object, "spec.template.spec")
                .or_else(|| at(object, "spec").filter(|spec| spec.field("containers").is_some()))
        };
        self.objects.iter().filter_map(pod).collect()
    }

    /// Our containers of a Pod: those that run this binary's image.
    fn ours<'n>(&self, pod: &'n Node) -> Vec<&'n Node> {
        let all = items(pod, "initContainers").iter().chain(items(pod, "containers"));
        all.filter(|container| text(container, "image").is_some_and(|image| image.starts_with("patterns:"))).collect()
    }

    /// Writes the ConfigMap that a container mounts, and answers with its arguments as they are with the files there.
    fn arguments(&self, pod: &Node, container: &Node, dir: &Path) -> Vec<String> {
        let mut arguments = texts(container, "args");
        for mount in items(container, "volumeMounts") {
            let (name, path) = (text(mount, "name").unwrap(), text(mount, "mountPath").unwrap());
            let volume = items(pod, "volumes").iter().find(|volume| text(volume, "name") == Some(name));
            let volume = volume.unwrap_or_else(|| panic!("{}: no volume {name}", self.path.display()));
            let Some(map) = text(volume, "configMap.name") else { continue };
            let here = |object: &&Node| {
                text(object, "kind") == Some("ConfigMap") && text(object, "metadata.name") == Some(map)
            };
            let map =
                self.objects.iter().find(here).unwrap_or_else(|| panic!("{}: no ConfigMap {map}", self.path.display()));
            let Some(Value::Mapping(data)) = map.field("data").map(|data| &data.value) else { panic!("no data") };
            let place = dir.join(name);
            fs::create_dir_all(&place).unwrap();
            for (key, content) in data {
                fs::write(place.join(&key.text), content.text().unwrap()).unwrap();
            }
            for argument in &mut arguments {
                *argument = argument.replace(path, place.to_str().unwrap());
            }
        }
        arguments
    }
}

/// Each of our containers, with its manifest and Pod.
fn each_container(mut look: impl FnMut(&Manifest, &Node, &Node)) {
    let mut count = 0;
    for manifest in manifests() {
        for pod in manifest.pods() {
            for container in manifest.ours(pod) {
                count += 1;
                look(&manifest, pod, container);
            }
        }
    }
    assert!(count >= 6, "only {count} containers of ours were found");
}

#[test]
fn every_manifest_gives_arguments_that_the_binary_takes() {
    each_container(|manifest, pod, container| {
        let dir = tempfile::tempdir().unwrap();
        let arguments = manifest.arguments(pod, container, dir.path());
        let output = patterns().args(["config", "print"]).args(&arguments).output().unwrap();
        assert!(output.status.success(), "{}: {arguments:?}\n{}", manifest.path.display(), told(&output));
    });
}

#[test]
fn every_probe_of_a_manifest_asks_the_mode_that_runs_there() {
    each_container(|manifest, _, container| {
        let (shown, mode) = (manifest.path.display(), &texts(container, "args")[0]);
        let default = modes::by_name(mode).expect("a mode").http_bind;
        let http = items(container, "ports")
            .iter()
            .find(|port| text(port, "name").is_some_and(|name| name.ends_with("-http")));
        let port = http.and_then(|port| text(port, "containerPort")).unwrap_or_else(|| panic!("{shown}: no HTTP port"));
        assert_eq!(format!(":{port}"), default, "{shown}: the port of {mode}");
        for (probe, kind) in [("startupProbe", "startup"), ("readinessProbe", "ready"), ("livenessProbe", "live")] {
            let probe = container.field(probe).unwrap_or_else(|| panic!("{shown}: {mode} has no {probe}"));
            match text(probe, "httpGet.path") {
                Some(path) => {
                    assert!(path == "/livez" && text(probe, "httpGet.port") == text(http.unwrap(), "name"), "{shown}");
                }
                None => assert_eq!(texts(probe, "exec.command"), ["/patterns", "probe", kind, mode], "{shown}"),
            }
        }
    });
}

#[test]
fn every_container_of_a_manifest_gives_up_what_it_does_not_need() {
    each_container(|manifest, pod, container| {
        let shown = format!("{}: {}", manifest.path.display(), text(container, "name").unwrap());
        let facts = [
            (text(pod, "enableServiceLinks"), "false"),
            (text(pod, "securityContext.runAsNonRoot"), "true"),
            (text(pod, "securityContext.runAsUser"), "65532"),
            (text(pod, "securityContext.seccompProfile.type"), "RuntimeDefault"),
            (text(container, "restartPolicy"), "Always"),
            (text(container, "securityContext.allowPrivilegeEscalation"), "false"),
            (text(container, "securityContext.readOnlyRootFilesystem"), "true"),
            (text(container, "terminationMessagePolicy"), "FallbackToLogsOnError"),
        ];
        for (i, (found, expected)) in facts.into_iter().enumerate() {
            assert_eq!(found, Some(expected), "{shown}: fact {i}");
        }
        assert_eq!(texts(container, "securityContext.capabilities.drop"), ["ALL"], "{shown}");
        assert!(at(container, "resources.limits.memory").is_some(), "{shown}: no memory limit");
    });
}

#[test]
fn no_two_containers_of_a_pod_want_one_port() {
    for manifest in manifests() {
        for pod in manifest.pods() {
            let all = items(pod, "initContainers").iter().chain(items(pod, "containers"));
            let mut ports: Vec<&str> = all
                .flat_map(|container| items(container, "ports"))
                .filter_map(|port| text(port, "containerPort"))
                .collect();
            let count = ports.len();
            ports.sort_unstable();
            ports.dedup();
            assert_eq!(ports.len(), count, "{}", manifest.path.display());
        }
    }
}

#[test]
fn every_settings_file_has_no_mistakes() {
    let samples = files("examples/config").into_iter().chain([root().join("examples/pod/patterns.yaml")]);
    for path in samples {
        let output = run(&["config", "check", path.to_str().unwrap()]);
        assert!(output.status.success(), "{}", told(&output));
    }
}

/// The commands in the README's blocks, as words.
fn readme_commands() -> Vec<Vec<String>> {
    let readme = fs::read_to_string(root().join("README.md")).unwrap().replace("\\\n", " ");
    let lines = readme.lines().map(|line| line.trim().trim_start_matches("$ "));
    let commands = lines.filter(|line| line.starts_with("patterns "));
    let words = |line: &str| {
        let script = format!("printf '%s\\0' {line}");
        let output = Command::new("sh").args(["-c", &script]).current_dir(root()).output().unwrap();
        assert!(output.status.success(), "{line}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_terminator('\0').map(str::to_owned).collect()
    };
    commands.map(words).collect()
}

#[test]
fn every_command_of_the_readme_is_one_that_the_binary_takes() {
    let commands = readme_commands();
    assert!(commands.len() >= 3, "the README shows no commands");
    for command in commands {
        let arguments = &command[1..];
        let is_mode = modes::by_name(&arguments[0]).is_some();
        let verb = modes::by_name(&arguments[0])
            .is_some_and(|mode| mode.verbs.iter().any(|verb| arguments.get(1).is_some_and(|word| word == verb.name)));
        let mut asked = patterns();
        if is_mode && !verb {
            asked.args(["config", "print"]);
        }
        let output = asked.args(arguments).current_dir(root()).output().unwrap();
        assert!(output.status.code() != Some(2), "{command:?}\n{}", told(&output));
        assert!(!is_mode || output.status.success(), "{command:?}\n{}", told(&output));
    }
}
