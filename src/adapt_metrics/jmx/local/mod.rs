//! JVMs on this machine or in this Pod, found without a port: `local:auto`, `local:PID`, `local:MAIN_CLASS`.
//!
//! ```text
//!  process ─▶ its performance counters name a JMX server already? ─▶ address
//!     └─ no ─▶ attach socket ─▶ "start the local agent" ─▶ address
//! ```
//!
//! It needs the same process namespace (`shareProcessNamespace: true`) and the same user. It takes no flag, no restart
//! and loads nothing into the JVM but its own management agent. Asking for this address is the consent to that.

mod attach;
pub(super) mod perfdata;
mod process;

use super::address::Server;
use super::error::JmxError;
use perfdata::PerfData;
pub(crate) use process::Choice;
use process::Jvm;

/// What the agents publish: the one on a port first, since it costs nothing to use.
const ON_A_PORT: &str = "sun.management.JMXConnectorServer.0.remoteAddress";
const LOCAL: &str = "sun.management.JMXConnectorServer.address";

/// The address of the chosen JVM's JMX server, which is started if it does not run yet.
///
/// # Errors
/// There is no such JVM, or it cannot be attached to; the error says why. A JVM that once did not answer is not
/// signalled again.
pub(crate) async fn find(choice: &Choice) -> Result<Server, JmxError> {
    let jvm = process::choose(choice)?;
    if let Some(server) = published(&jvm) {
        return Ok(server);
    }
    let told = |problem: String| JmxError::Attach { process: jvm.pid, problem };
    attach::command(&jvm, &["jcmd", "ManagementAgent.start_local"]).await.map_err(told)?;
    if let Some(server) = published(&jvm) {
        return Ok(server);
    }
    // Without shared performance counters (-XX:+PerfDisableSharedMem) the agent itself says it.
    let status = attach::command(&jvm, &["jcmd", "ManagementAgent.status"]).await.map_err(told)?;
    let url = status.split_whitespace().find(|word| word.starts_with("service:jmx:rmi://127.0.0.1/stub/"));
    let url = url.ok_or_else(|| told("its management agent does not say where it listens".to_owned()))?;
    url.parse()
}

fn published(jvm: &Jvm) -> Option<Server> {
    let counters = jvm.counters()?;
    let url = |name| counters.text(name).filter(|url| !url.is_empty()).and_then(|url| url.parse::<Server>().ok());
    let mut server = url(ON_A_PORT).or_else(|| url(LOCAL))?;
    // It is here, whatever name the JVM gives to here.
    server.host = "127.0.0.1".to_owned();
    Some(server)
}

impl Jvm {
    fn counters(&self) -> Option<PerfData> {
        PerfData::parse(&self.counters_file()?).ok()
    }
}
