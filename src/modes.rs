//! The registry: one line a pattern.

use crate::core::mode::Mode;

/// Every pattern of this build.
pub const ALL: &[Mode] = &[
    #[cfg(feature = "sync-git")]
    crate::sync_git::MODE,
    #[cfg(feature = "ambassador-redis")]
    crate::ambassador_redis::MODE,
    #[cfg(feature = "adapt-metrics")]
    crate::adapt_metrics::MODE,
];

/// The mode of this name.
pub fn by_name(name: &str) -> Option<&'static Mode> {
    ALL.iter().find(|mode| mode.name == name)
}

/// The mode that a link of exactly this name stands for.
pub fn by_link(name: &str) -> Option<&'static Mode> {
    ALL.iter().find(|mode| mode.name == name || mode.link(name).is_some())
}
