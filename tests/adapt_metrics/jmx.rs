//! The JMX reader against real JVMs: every shape of bean, logins, TLS, wrong ports and wrong host names.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use crate::support::free_port;
use patterns::adapt_metrics::jmx::{
    ExporterFile, JmxError, JmxSettings, JmxSource, Login, PasswordSource, Sample, Selection, Target, Text,
    TlsSettings, TlsUse,
};
use patterns::core::document::{self, Mistakes};
use patterns::core::secret::{Secret, SecretFile};

/// A JVM that runs `Beans.java`, and ends with its owner.
struct Jvm {
    process: Child,
    commands: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    port: u16,
}

impl Jvm {
    /// Nothing where there is no Java, except in CI, where that is a failure.
    fn start(properties: &[&str]) -> Option<Jvm> {
        let port = free_port();
        let on_a_port = format!("-Dcom.sun.management.jmxremote.port={port}");
        let properties: Vec<String> = properties.iter().map(|property| format!("-D{property}")).collect();
        let flags: Vec<&str> = [on_a_port.as_str()].into_iter().chain(properties.iter().map(String::as_str)).collect();
        Jvm::run(&flags, port)
    }

    /// With no JMX server but with these flags.
    fn bare(flags: &[&str]) -> Option<Jvm> {
        Jvm::run(flags, 0)
    }

    fn run(flags: &[&str], port: u16) -> Option<Jvm> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/adapt_metrics/jmx/Beans.java");
        let started = Command::new("java")
            .args(["-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"])
            .args(flags)
            .arg(source)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut process = match started {
            Ok(process) => process,
            Err(_) if std::env::var_os("CI").is_none() => {
                std::io::stderr().write_all(b"skipped: there is no java here\n").unwrap();
                return None;
            }
            Err(error) => panic!("no java: {error}"),
        };
        let commands = process.stdin.take();
        let output = BufReader::new(process.stdout.take().unwrap());
        let mut jvm = Jvm { process, commands, output, port };
        jvm.expect("ready");
        Some(jvm)
    }

    fn open() -> Option<Jvm> {
        Jvm::start(&[OPEN, NO_TLS])
    }

    fn tell(&mut self, command: &str) {
        writeln!(self.commands.as_mut().unwrap(), "{command}").unwrap();
        self.expect("done");
    }

    fn expect(&mut self, word: &str) {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), word, "the JVM did not start: see its messages above");
    }

    fn settings(&self) -> JmxSettings {
        settings(&format!("127.0.0.1:{}", self.port))
    }

    /// By its process number.
    fn local(&self) -> JmxSettings {
        settings(&format!("local:{}", self.process.id()))
    }
}

impl Drop for Jvm {
    fn drop(&mut self) {
        drop(self.commands.take());
        // It may have ended by itself already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One JVM for all tests that only read, and do not mind who else does. It ends with its standard input.
fn shared() -> Option<JmxSettings> {
    static SHARED: OnceLock<Option<Jvm>> = OnceLock::new();
    SHARED.get_or_init(Jvm::open).as_ref().map(Jvm::settings)
}

const OPEN: &str = "com.sun.management.jmxremote.authenticate=false";
const NO_TLS: &str = "com.sun.management.jmxremote.ssl=false";

fn settings(address: &str) -> JmxSettings {
    JmxSettings {
        target: Target {
            address: address.parse().unwrap(),
            login: None,
            tls: TlsUse::AsAsked(TlsSettings::default()),
            rmi_port: None,
        },
        selection: Selection::default(),
        deadline: Duration::from_secs(20),
    }
}

/// A jmx_exporter file without mistakes.
fn exporter_file(text: &str) -> ExporterFile {
    let (mut mistakes, mut notes) = (Mistakes::new("rules.yml"), Mistakes::new("rules.yml"));
    let file = ExporterFile::read(&document::parse(text, &mut mistakes), &|_| None, &mut mistakes, &mut notes);
    assert!(mistakes.is_empty(), "{mistakes}");
    file
}

fn login(password: &str) -> Option<Login> {
    let password = PasswordSource::Literal(Secret::new(password));
    Some(Login { user: "reader".to_owned(), password })
}

/// A scrape as a page would show it: `name{labels}` and the value.
type Page = BTreeMap<String, f64>;

fn page(samples: &[Sample]) -> Page {
    let series = |sample: &Sample| {
        let labels: Vec<_> = sample.series.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{}{{{}}}", sample.series.name, labels.join(","))
    };
    samples.iter().map(|sample| (series(sample), sample.value)).collect()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn scrape_once(settings: JmxSettings) -> Result<Page, JmxError> {
    run(async {
        let mut source = JmxSource::new(settings);
        let scrape = source.scrape().await?;
        source.close().await;
        Ok(page(&scrape.samples))
    })
}

#[test]
fn every_shape_of_bean_is_read() {
    let Some(settings) = shared() else { return };
    let page = scrape_once(settings).unwrap();
    let app: Vec<String> = page
        .iter()
        .filter(|(series, _)| series.starts_with("app_"))
        .map(|(series, value)| format!("{series} {value}"))
        .collect();
    assert_eq!(
        app,
        [
            "app_Numbers_Atomic{name=first} 11",
            "app_Numbers_BigDecimal{name=first} 12.5",
            "app_Numbers_BigInteger{name=first} 1180591620717411300000",
            "app_Numbers_Bool{name=first} 1",
            "app_Numbers_Boxed{name=first} 42",
            "app_Numbers_Byte{name=first} -7",
            "app_Numbers_Date{name=first} 1.5",
            "app_Numbers_Double{name=first} 10000000000",
            "app_Numbers_Float{name=first} 0.25",
            "app_Numbers_Infinite{name=first} -inf",
            "app_Numbers_Int{name=first} 70000",
            "app_Numbers_Long{name=first} 1099511627776",
            "app_Numbers_NotANumber{name=first} NaN",
            "app_Numbers_Number{name=first} 3",
            "app_Numbers_Short{name=first} 300",
            "app_Open_Nested_count{key_name=x,key_used=5,key=one} 3",
            "app_Open_Nested_count{key_name=x,key_used=5,key=two} 3",
            "app_Open_Nested_used{key_name=x,key_used=5,key=one} 5",
            "app_Open_Nested_used{key_name=x,key_used=5,key=two} 5",
            "app_Open_Table_count{key=one} 3",
            "app_Open_Table_count{key=two} 3",
            "app_Open_Table_used{key=one} 5",
            "app_Open_Table_used{key=two} 5",
            "app_Open_Usage_used{} 5",
            "app_Text_Last{} 9",
            "app_Trouble_After{} 3",
            "app_Trouble_Before{} 1",
            "app_Trouble_Between{} 2",
            "app_last_Count{name=\"a,b=\\\"c\\\"\\*\",a=first} 12345",
            "app_last_Max{name=\"a,b=\\\"c\\\"\\*\",a=first} 1.5",
            "app_last_Mean{name=\"a,b=\\\"c\\\"\\*\",a=first} 0.5",
            "app_last_Size{name=\"a,b=\\\"c\\\"\\*\",a=first} 3",
        ]
    );
    assert!(page["java_lang_Memory_HeapMemoryUsage_used{}"] > 0.0);
    assert!(page["java_lang_Runtime_StartTime{}"] > 1e12);
}

#[test]
fn attributes_that_break_the_answer_are_left_out_from_then_on() {
    let Some(settings) = shared() else { return };
    run(async {
        let mut source = JmxSource::new(settings);
        let first = source.scrape().await.unwrap();
        let second = source.scrape().await.unwrap();
        assert_eq!(first.counts.not_serializable, 2);
        assert_eq!(second.counts.not_serializable, 2);
        // The throwing getter was alone in the first answer, and is missing in the second.
        assert_eq!(page(&second.samples)["app_Trouble_After{}"], 3.0);
        assert_eq!(first.samples.len(), second.samples.len());
        source.close().await;
    });
}

#[test]
fn text_is_read_when_it_is_wanted_however_long() {
    let Some(mut settings) = shared() else { return };
    settings.selection = Selection {
        include: vec!["app:type=Text".parse().unwrap(), "app:type=T*,*".parse().unwrap()],
        text: Text::Wanted,
        ..Selection::default()
    };
    let scrape = run(async { JmxSource::new(settings).scrape().await }).unwrap();
    assert_eq!(scrape.counts.beans, 2);
    // The two texts and the bean that throws; the arrays were not asked for.
    assert_eq!(scrape.counts.not_numbers, 2);
    assert_eq!(page(&scrape.samples)["app_Text_Last{}"], 9.0);
}

#[test]
fn beans_are_chosen_by_patterns() {
    let Some(mut settings) = shared() else { return };
    settings.selection.include = vec!["app:*".parse().unwrap()];
    settings.selection.exclude = vec!["app:type=T*".parse().unwrap(), "*:type=Open".parse().unwrap()];
    settings.selection.exclude_attributes = vec![("app:*".parse().unwrap(), vec!["Int".to_owned()])];
    let page = scrape_once(settings).unwrap();
    assert!(page.keys().all(|series| series.starts_with("app_Numbers") || series.starts_with("app_last")), "{page:?}");
    assert!(!page.contains_key("app_Numbers_Int{name=first}"));
}

#[test]
fn a_wrong_host_name_in_the_stub_does_not_matter() {
    let Some(jvm) = Jvm::start(&[OPEN, NO_TLS, "java.rmi.server.hostname=not.resolvable.invalid"]) else { return };
    assert!(scrape_once(jvm.settings()).unwrap().contains_key("java_lang_Threading_ThreadCount{}"));
}

#[test]
fn one_port_serves_for_registry_and_connection() {
    let port = free_port();
    let (jmx, rmi) =
        (format!("com.sun.management.jmxremote.port={port}"), format!("com.sun.management.jmxremote.rmi.port={port}"));
    let Some(mut jvm) = Jvm::start(&[OPEN, NO_TLS, &jmx, &rmi]) else { return };
    jvm.port = port;
    assert!(scrape_once(jvm.settings()).unwrap().contains_key("java_lang_Threading_ThreadCount{}"));
}

#[test]
fn a_password_is_asked_for_and_taken() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        let mut permissions = std::fs::metadata(&path).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
        std::fs::set_permissions(&path, permissions).unwrap();
        path
    };
    let passwords = file("passwords", "reader secret\n");
    let access = file("access", "reader readonly\n");
    let passwords = format!("com.sun.management.jmxremote.password.file={}", passwords.display());
    let access = format!("com.sun.management.jmxremote.access.file={}", access.display());
    let Some(jvm) = Jvm::start(&["com.sun.management.jmxremote.authenticate=true", NO_TLS, &passwords, &access]) else {
        return;
    };

    let without = scrape_once(jvm.settings()).unwrap_err();
    assert!(matches!(without, JmxError::Login { .. }), "{without}");
    let mut settings = jvm.settings();
    settings.target.login = login("wrong");
    let wrong = scrape_once(settings.clone()).unwrap_err();
    assert!(matches!(wrong, JmxError::Login { .. }), "{wrong}");
    assert!(!format!("{wrong} {wrong:?} {settings:?}").contains("wrong\""));
    settings.target.login = login("secret");
    assert_eq!(scrape_once(settings.clone()).unwrap()["app_Text_Last{}"], 9.0);
    let secret = file("secret", "secret\n");
    settings.target.login =
        Some(Login { user: "reader".to_owned(), password: PasswordSource::File(SecretFile::new(secret)) });
    assert_eq!(scrape_once(settings).unwrap()["app_Text_Last{}"], 9.0);
}

#[test]
fn tls_is_spoken_where_the_stub_or_the_registry_asks_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store.p12");
    let keytool = |arguments: &[&str]| {
        let mut keytool = Command::new("keytool");
        keytool.args(arguments).args(["-alias", "jmx", "-storepass", "changeit", "-keystore"]).arg(&store);
        keytool.stderr(Stdio::null()).output().map(|output| output.stdout)
    };
    let made = keytool(&["-genkeypair", "-keyalg", "EC", "-dname", "CN=nobody", "-storetype", "PKCS12"]);
    if made.is_err() {
        return;
    }
    let trust = directory.path().join("trust.pem");
    std::fs::write(&trust, keytool(&["-exportcert", "-rfc"]).unwrap()).unwrap();
    let keys = format!("javax.net.ssl.keyStore={}", store.display());
    for registry in
        ["com.sun.management.jmxremote.registry.ssl=false", "com.sun.management.jmxremote.registry.ssl=true"]
    {
        let tls = "com.sun.management.jmxremote.ssl=true";
        let Some(jvm) = Jvm::start(&[OPEN, tls, registry, &keys, "javax.net.ssl.keyStorePassword=changeit"]) else {
            return;
        };
        let mut settings = jvm.settings();
        let unknown = scrape_once(settings.clone()).unwrap_err();
        assert!(matches!(unknown, JmxError::Tls { .. }), "{unknown}");
        settings.target.tls = TlsUse::Never;
        let never = scrape_once(settings.clone()).unwrap_err();
        assert!(matches!(never, JmxError::TlsWanted { .. }), "{never}");
        settings.target.tls = TlsUse::AsAsked(TlsSettings { trust: Some(trust.clone()), ..TlsSettings::default() });
        assert_eq!(scrape_once(settings.clone()).unwrap()["app_Text_Last{}"], 9.0);
        settings.target.tls = TlsUse::AsAsked(TlsSettings { trust: Some(store.clone()), ..TlsSettings::default() });
        let store = scrape_once(settings).unwrap_err();
        assert!(store.to_string().contains("keytool -list -rfc"), "{store}");
    }
}

#[test]
fn a_port_that_speaks_something_else_is_named() {
    let speak = |answer: &'static [u8]| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            // Like any server of a text protocol, it waits for the end of a line.
            let mut line = String::new();
            BufReader::new(client.try_clone().unwrap()).read_line(&mut line).unwrap();
            client.write_all(answer).unwrap();
        });
        scrape_once(settings(&format!("127.0.0.1:{port}"))).unwrap_err().to_string()
    };
    let http = speak(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
    assert!(http.ends_with("does not speak RMI: an HTTP server answered (\"HTTP/1.1 400 Bad Request\")"), "{http}");
    let redis = speak(b"-ERR unknown command\r\n");
    assert!(redis.contains("a Redis server answered"), "{redis}");
    let closed = scrape_once(settings(&format!("127.0.0.1:{}", free_port()))).unwrap_err();
    assert!(matches!(closed, JmxError::Connect { .. }), "{closed}");
}

#[test]
fn a_jvm_that_restarts_is_read_again_at_once() {
    let Some(jvm) = Jvm::open() else { return };
    let port = jvm.port;
    run(async {
        let mut source = JmxSource::new(jvm.settings());
        source.scrape().await.unwrap();
        drop(jvm);
        let gone = source.scrape().await.unwrap_err();
        assert!(matches!(gone, JmxError::Connect { .. }), "{gone}");
        let fixed = format!("com.sun.management.jmxremote.port={port}");
        let _again = Jvm::start(&[OPEN, NO_TLS, &fixed]).unwrap();
        assert_eq!(page(&source.scrape().await.unwrap().samples)["app_Text_Last{}"], 9.0);
    });
}

#[test]
fn a_thousand_beans_are_read_in_one_scrape() {
    let Some(mut jvm) = Jvm::open() else { return };
    run(async {
        let mut source = JmxSource::new(jvm.settings());
        let before = source.scrape().await.unwrap();
        jvm.tell("many 1000");
        let after = source.scrape().await.unwrap();
        assert_eq!(after.counts.beans, before.counts.beans + 1000);
        assert_eq!(page(&after.samples)["many_Small_Count{name=bean-999}"], 12345.0);
        source.close().await;
    });
}

const RULES: &str = r"
lowercaseOutputName: true
includeObjectNames: ['app:*', 'many:*', 'java.lang:type=Memory']
excludeObjectNames: ['app:type=Text']
metricCustomizers:
- mbeanFilter: {domain: app, properties: {type: Numbers}}
  attributesAsLabels: [Numeral]
  extraMetrics: [{name: Extra, value: 7, description: not in the bean}]
rules:
- pattern: 'app<type=Numbers, name=(\w+)><>(Int|Long|Extra): '
  name: App_$2_total
  type: COUNTER
  labels: {which: $1}
- pattern: 'app<type=Numbers, name=first><>Mode: (\w+)'
  name: app_mode
  labels: {mode: $1}
  value: 1
- pattern: 'app<type=Numbers, name=first><>Numeral: (.*)'
  name: app_numeral
  value: $1
  valueFactor: 2
- pattern: java.lang<type=Memory><(\w+)MemoryUsage>(used|committed)
  name: memory
  attrNameSnakeCase: true
  type: GAUGE
- pattern: app<type=Trouble><>
  name: trouble
  cache: true
";

#[test]
fn a_rule_file_makes_the_same_series_scrape_after_scrape() {
    let Some(settings) = shared() else { return };
    let file = exporter_file(RULES);
    let settings = JmxSettings { selection: file.selection, ..settings };
    run(async {
        let mut source = JmxSource::new(settings).with_rules(file.rules);
        let first = source.scrape().await.unwrap();
        let second = source.scrape().await.unwrap();
        let known: Vec<String> = page(&first.samples).into_keys().collect();
        assert_eq!(
            known,
            [
                "app_extra_total{Numeral=12.5,which=first}",
                "app_int_total{Numeral=12.5,which=first}",
                "app_long_total{Numeral=12.5,which=first}",
                "app_mode{Numeral=12.5,mode=BUSY}",
                "app_numeral{Numeral=12.5}",
                "memory{_objectname=java.lang<type=Memory><HeapMemoryUsage>committed}",
                "memory{_objectname=java.lang<type=Memory><HeapMemoryUsage>used}",
                "memory{_objectname=java.lang<type=Memory><NonHeapMemoryUsage>committed}",
                "memory{_objectname=java.lang<type=Memory><NonHeapMemoryUsage>used}",
                "trouble{_objectname=app<type=Trouble><>After}",
                "trouble{_objectname=app<type=Trouble><>Before}",
                "trouble{_objectname=app<type=Trouble><>Between}",
            ]
        );
        assert_eq!(page(&first.samples)["app_numeral{Numeral=12.5}"], 25.0);
        assert_eq!(known, page(&second.samples).into_keys().collect::<Vec<_>>());
        source.close().await;
    });
}

#[test]
fn the_jvms_own_statistics_have_the_names_that_dashboards_know() {
    let Some(mut settings) = shared() else { return };
    settings.selection.include = vec!["app:type=Numbers,*".parse().unwrap()];
    let scrape = run(async { JmxSource::new(settings).with_jvm_families().scrape().await }).unwrap();
    let page = page(&scrape.samples);
    assert!(!page.contains_key("java_lang_Threading_ThreadCount{}"), "these beans were not selected");
    assert_eq!(
        page["jvm_gc_collection_seconds_count{gc=Copy}"],
        page["jvm_gc_collection_seconds_count{gc=Copy}"].trunc()
    );
    for series in [
        "jvm_buffer_pool_capacity_bytes{pool=direct}",
        "jvm_classes_loaded_total{}",
        "jvm_compilation_time_seconds_total{}",
        "jvm_gc_collection_seconds_sum{gc=MarkSweepCompact}",
        "jvm_memory_committed_bytes{area=nonheap}",
        "jvm_memory_max_bytes{area=heap}",
        "jvm_memory_pool_collection_used_bytes{pool=Tenured Gen}",
        "jvm_memory_pool_used_bytes{pool=Metaspace}",
        "jvm_threads_current{}",
    ] {
        assert!(page.contains_key(series), "{series} is not in {:#?}", page.keys());
    }
    let info = page.keys().find(|series| series.starts_with("jvm_runtime_info{runtime=")).unwrap();
    assert!(info.contains(",vendor=") && info.contains(",version="), "{info}");
}

#[test]
fn a_jvm_without_any_flag_is_read_by_its_process_number() {
    for flags in [&[][..], &["-XX:+PerfDisableSharedMem"]] {
        let Some(jvm) = Jvm::bare(flags) else { return };
        assert_eq!(scrape_once(jvm.local()).unwrap()["app_Text_Last{}"], 9.0);
        // Its agent runs by now, and need not be started again.
        assert_eq!(scrape_once(jvm.local()).unwrap()["app_Text_Last{}"], 9.0);
    }
}

#[test]
fn a_jvm_with_a_port_is_read_there_when_it_is_found_by_its_process_number() {
    let Some(jvm) = Jvm::start(&[OPEN, NO_TLS, "java.rmi.server.hostname=not.resolvable.invalid"]) else { return };
    assert_eq!(scrape_once(jvm.local()).unwrap()["app_Text_Last{}"], 9.0);
}

#[test]
fn a_jvm_that_would_die_of_the_signal_is_never_signalled() {
    // With -Xrs alone the attach socket is open from the start.
    let Some(mut jvm) = Jvm::bare(&["-Xrs", "-XX:+DisableAttachMechanism"]) else { return };
    let error = scrape_once(jvm.local()).unwrap_err();
    assert!(error.to_string().contains("would die of the signal"), "{error}");
    jvm.tell("gc");
}

#[test]
fn a_jvm_that_does_not_let_itself_be_attached_to_is_asked_once() {
    let Some(mut jvm) = Jvm::bare(&["-XX:+DisableAttachMechanism"]) else { return };
    run(async {
        let mut source = JmxSource::new(jvm.local());
        let first = source.scrape().await.unwrap_err();
        assert!(first.to_string().contains("did not open its attach socket within"), "{first}");
        let second = source.scrape().await.unwrap_err();
        assert!(second.to_string().contains("when asked before"), "{second}");
    });
    // Being asked made it print its threads, which is what must not happen at each scrape.
    writeln!(jvm.commands.as_mut().unwrap(), "gc").unwrap();
    let dumps = jvm.output.by_ref().lines().map_while(Result::ok).take_while(|line| line != "done");
    assert_eq!(dumps.filter(|line| line.contains("Full thread dump")).count(), 1);
}

#[test]
fn a_dump_shows_values_as_rules_see_them() {
    let Some(mut settings) = shared() else { return };
    settings.selection.include = vec!["app:type=Numbers,*".parse().unwrap(), "app:type=Open".parse().unwrap()];
    let lines = run(async { JmxSource::new(settings).dump().await }).unwrap();
    for line in [
        "app<type=Numbers, name=first><>Double: 1.0E10",
        "app<type=Numbers, name=first><>Mode: BUSY",
        "app<type=Numbers, name=first><>Bool: true",
        "app<type=Numbers, name=first><>BigInteger: 1180591620717411303424",
        "app<type=Open><Usage>name: x",
        "app<type=Open, key=one><Table>count: 3",
        "app<type=Open, key_name=x, key_used=5, key=two><Nested>used: 5",
    ] {
        assert!(lines.iter().any(|known| known == line), "{line} is not in {lines:#?}");
    }
}
