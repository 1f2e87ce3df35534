//! What a mapping file says of summaries and histograms: quantiles, windows, buckets; read, and put over what holds.

use super::scalar::{QUOTED, count, duration, float, is_quoted, typed};
use crate::adapt_metrics::model::{HistogramOptions, Native, SummaryOptions};
use crate::core::document::Fields;

/// How many native buckets a rule has at most that turns them on where the defaults turn them off.
const MOST: u32 = 256;

/// What a rule says itself about its observers.
#[derive(Default)]
pub(super) struct Own {
    /// For summaries.
    pub(super) summary: OwnSummary,
    /// For histograms.
    pub(super) histogram: OwnHistogram,
}

/// What is written of a summary.
#[derive(Default)]
pub(super) struct OwnSummary {
    pub(super) quantiles: Option<Vec<f64>>,
    max_age: Option<std::time::Duration>,
    parts: Option<u32>,
}

/// What is written of a histogram.
#[derive(Default)]
pub(super) struct OwnHistogram {
    /// Ascending; the last may be infinite, which every histogram has anyway.
    pub(super) bounds: Option<Vec<f64>>,
    factor: Option<f64>,
    most: Option<u32>,
}

impl OwnSummary {
    /// Puts what is written over what holds.
    pub(super) fn apply(self, options: &mut SummaryOptions) {
        if let Some(mut quantiles) = self.quantiles.filter(|quantiles| !quantiles.is_empty()) {
            quantiles.sort_by(f64::total_cmp);
            quantiles.dedup();
            options.quantiles = quantiles.into();
        }
        options.max_age = self.max_age.filter(|age| !age.is_zero()).unwrap_or(options.max_age);
        options.parts = self.parts.filter(|parts| *parts > 0).unwrap_or(options.parts);
    }
}

impl OwnHistogram {
    /// Puts what is written over what holds.
    pub(super) fn apply(self, options: &mut HistogramOptions) {
        if let Some(mut bounds) = self.bounds.filter(|bounds| !bounds.is_empty()) {
            bounds.retain(|bound| *bound < f64::INFINITY);
            options.bounds = bounds.into();
        }
        let before = options.native.unwrap_or(Native { factor: 1.0, most: MOST });
        let native = Native {
            factor: self.factor.filter(|factor| *factor != 0.0).unwrap_or(before.factor),
            most: self.most.filter(|most| *most != 0).unwrap_or(before.most),
        };
        // Buckets that do not grow are how files turn native histograms off.
        options.native = (native.factor > 1.0).then_some(native);
    }
}

/// The `summary_options` key.
pub(super) fn summary_options(fields: &mut Fields<'_, '_>) -> Option<OwnSummary> {
    let node = fields.take("summary_options")?;
    let path = fields.path("summary_options");
    let mut inner = node.fields(&path, fields.mistakes())?;
    let quantiles = quantiles(&mut inner);
    let max_age = duration(&mut inner, "max_age");
    if let Some(node) = inner.take("max_age").filter(|node| node.text().is_some_and(|text| text.starts_with('-'))) {
        let path = inner.path("max_age");
        inner.mistakes().add(node.at, path, "a window cannot be negative");
    }
    let parts = typed(&mut inner, "age_buckets", count);
    // How many samples are buffered before they are merged: ours are not.
    typed(&mut inner, "buf_cap", count);
    inner.finish();
    Some(OwnSummary { quantiles, max_age, parts })
}

/// The `histogram_options` key.
pub(super) fn histogram_options(fields: &mut Fields<'_, '_>) -> Option<OwnHistogram> {
    let node = fields.take("histogram_options")?;
    let path = fields.path("histogram_options");
    let mut inner = node.fields(&path, fields.mistakes())?;
    let bounds = floats(&mut inner, "buckets");
    let factor = typed(&mut inner, "native_histogram_bucket_factor", float);
    let most = typed(&mut inner, "native_histogram_max_buckets", count);
    inner.finish();
    Some(OwnHistogram { bounds, factor, most })
}

/// The quantiles of a list of `{quantile, error}`. The error is read and not needed: ours are within 0.3 % of the value.
pub(super) fn quantiles(fields: &mut Fields<'_, '_>) -> Option<Vec<f64>> {
    fields.take("quantiles")?;
    let mut read = Vec::new();
    for (path, item) in fields.list("quantiles") {
        let Some(mut inner) = item.fields(&path, fields.mistakes()) else { continue };
        let is_missing = inner.take("quantile").is_none();
        let quantile = typed(&mut inner, "quantile", |text| match float(text) {
            Ok(quantile) if (0.0..=1.0).contains(&quantile) => Ok(quantile),
            Ok(_) => Err("a quantile is from 0 to 1"),
            Err(error) => Err(error),
        });
        typed(&mut inner, "error", float);
        inner.finish();
        read.extend(quantile.or(is_missing.then_some(0.0)));
    }
    Some(read)
}

/// Ascending numbers.
pub(super) fn floats(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<Vec<f64>> {
    fields.take(key)?;
    let mut read: Vec<f64> = Vec::new();
    for (path, item) in fields.list(key) {
        // Nothing written is nought.
        match if item.is_null() { Some(Ok(0.0)) } else { item.text().map(float) } {
            Some(Ok(_)) if is_quoted(item) => fields.mistakes().add(item.at, path, QUOTED),
            Some(Ok(bound)) if bound.is_nan() || read.last().is_some_and(|last| *last >= bound) => {
                fields.mistakes().add(item.at, path, "buckets must ascend");
            }
            Some(Ok(bound)) => read.push(bound),
            _ => fields.mistakes().add(item.at, path, "is not a number"),
        }
    }
    Some(read)
}
