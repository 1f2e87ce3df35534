//! `/probe?module=NAME&target=URL`: one target asked by one module, and its samples as a page, as json_exporter serves it.
//!
//! Other parameters fill the module's body. Answered with 400: a module that is not there, no target; with 503: a target
//! without a right answer. A document that is not JSON, or lacks what is asked for, gives a page without it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper::{Method, StatusCode};
use tracing::debug;

use super::endpoint::http_url;
use super::modules::Modules;
use super::request::Parameters;
use crate::adapt_metrics::page::{Packed, Packing};
use crate::adapt_metrics::source::Sample;
use crate::core::http::{Access, Reply, Request};
use crate::core::lifecycle::Process;
use crate::core::metrics::{Collect, Encoder, FamilyHead, Format, Kind, Point};

/// How long a target may take, when the scraper does not say how long it waits.
const PROBE: Duration = Duration::from_secs(9);
/// What is left of a scraper's time for writing and carrying the page.
const MARGIN: Duration = Duration::from_millis(500);

/// Serves probes by the modules that are in force.
pub fn serve(process: &Process, modules: Arc<ArcSwap<Modules>>) {
    process.http.route(Method::GET, "/probe", Access::Public, move |request: Request| {
        let modules = modules.load_full();
        async move { answer(&request, &modules).await }
    });
}

async fn answer(request: &Request, modules: &Modules) -> Reply {
    let mut parameters = Parameters::new();
    for (key, value) in url::form_urlencoded::parse(request.query.as_bytes()) {
        parameters.entry(key.into_owned()).or_default().push(value.into_owned());
    }
    let parameter = |name| parameters.get(name).and_then(|values| values.first()).filter(|value| !value.is_empty());
    let name = parameter("module").map_or("default", String::as_str);
    let Some(module) = modules.module(name) else {
        return Reply::text(StatusCode::BAD_REQUEST, format!("there is no module {name:?} in the modules file\n"));
    };
    let Some(target) = parameter("target") else {
        return Reply::text(StatusCode::BAD_REQUEST, "the parameter target is missing: the URL of a document\n");
    };
    let asked = request.header("x-prometheus-scrape-timeout-seconds");
    let within = asked.and_then(|seconds| Duration::try_from_secs_f64(seconds.parse().ok()?).ok()).unwrap_or(PROBE);
    let probed = match http_url(target) {
        Ok(url) => module.probe(url, &parameters, within.saturating_sub(MARGIN)).await,
        Err(error) => Err(anyhow::anyhow!("the target is no URL that can be asked: {error}")),
    };
    let probed = match probed {
        Ok(probed) => probed,
        Err(error) => return Reply::text(StatusCode::SERVICE_UNAVAILABLE, format!("{error:#}\n")),
    };
    if let Some(problem) = probed.problem {
        debug!(module = name, problem, "a probe could not take everything");
    }
    let negotiated = Format::negotiate(request.header("accept"));
    let families = [Arc::new(Families::of(probed.samples)) as Arc<dyn Collect>];
    let packed = Packing::of(request).gzip(|out| negotiated.format.write_only(&families, &[], out));
    packed.unwrap_or_else(|| Packed::plain(negotiated.format.render(&families))).reply(negotiated.content_type)
}

/// Samples by their names. The first of a name says its type; of several with the same labels the last one stands.
struct Families(BTreeMap<String, Family>);

struct Family {
    kind: Kind,
    help: String,
    series: BTreeMap<Vec<(String, String)>, Reading>,
}

/// A value, and its time in milliseconds where it has one of its own.
type Reading = (f64, Option<i64>);

impl Families {
    fn of(samples: Vec<Sample>) -> Self {
        let mut families: BTreeMap<String, Family> = BTreeMap::new();
        for Sample { series, value, time } in samples {
            let family = families.entry(series.name.clone()).or_insert_with(|| Family {
                kind: series.kind,
                help: series.help.clone(),
                series: BTreeMap::new(),
            });
            let mut labels = series.labels.clone();
            labels.sort();
            family.series.insert(labels, (value, time));
        }
        Self(families)
    }
}

impl Collect for Families {
    fn collect(&self, out: &mut dyn Encoder) {
        for (name, family) in &self.0 {
            out.family(&FamilyHead { name, kind: family.kind, unit: "", help: &family.help });
            for (labels, (value, time)) in &family.series {
                let labels: Vec<(&str, &str)> =
                    labels.iter().map(|(label, value)| (label.as_str(), value.as_str())).collect();
                out.at(*time);
                out.sample(&labels, Point::Value(*value));
            }
        }
    }
}
