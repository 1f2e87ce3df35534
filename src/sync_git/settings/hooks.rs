//! Settings of the hooks: what to run or to call around a publication.

use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use hyper::Method;
use url::Url;

use super::super::hooks::Body;
use crate::core::fault::Fault;
use crate::core::values;

/// What to tell, and whom.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Hooks")]
pub(crate) struct HookSettings {
    /// A program to run after each sync that changed something, in the new tree, without a shell; it must be idempotent. It
    /// finds GITSYNC_HASH, GITSYNC_PREVIOUS_HASH, GITSYNC_REF and, where both hashes are known, in GITSYNC_CHANGES a file that
    /// lists what differs, a line each: A, M or D, a tab, the path
    #[arg(long, value_name = "PROGRAM")]
    pub exechook_command: Option<String>,

    /// How long that program may take
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = values::duration)]
    pub exechook_timeout: Duration,

    /// How long to wait before it is tried again after a failure
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = values::duration)]
    pub exechook_backoff: Duration,

    /// A program to run in a new tree before the link turns to it
    #[arg(long, value_name = "PROGRAM")]
    pub pre_publish_exechook_command: Option<String>,

    /// How long that program may take
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = values::duration)]
    pub pre_publish_exechook_timeout: Duration,

    /// How long to wait before it is tried again after a failure
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = values::duration)]
    pub pre_publish_exechook_backoff: Duration,

    /// Publish only what the pre-publish program accepts: wait for it, and keep the old tree when it fails
    #[arg(long)]
    pub pre_publish_exechook_gate: bool,

    /// A URL to call after each sync that changed something; it must be idempotent
    #[arg(long, value_name = "URL")]
    pub webhook_url: Option<Url>,

    /// The method of that call
    #[arg(long, value_name = "METHOD", default_value = "POST")]
    pub webhook_method: Method,

    /// The status that means success; 0 or -1: any answer will do
    #[arg(long, value_name = "STATUS", default_value = "200", value_parser = super::numbers::signed, allow_negative_numbers = true)]
    pub webhook_success_status: i64,

    /// What the call says beside the headers Gitsync-Hash, Gitsync-Previous-Hash and Gitsync-Ref
    #[arg(long, value_name = "WHAT", default_value = "none")]
    pub webhook_body: Body,

    /// How long that call may take
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = values::duration)]
    pub webhook_timeout: Duration,

    /// How long to wait before it is tried again after a failure
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = values::duration)]
    pub webhook_backoff: Duration,
}

impl HookSettings {
    /// Refuses what cannot be meant.
    ///
    /// # Errors
    /// A usage fault that names the option.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let program = self.exechook_command.is_some();
        let before = self.pre_publish_exechook_command.is_some();
        let web = self.webhook_url.is_some();
        let spans = [
            ("--exechook-timeout", self.exechook_timeout, program),
            ("--exechook-backoff", self.exechook_backoff, program),
            ("--pre-publish-exechook-timeout", self.pre_publish_exechook_timeout, before),
            ("--pre-publish-exechook-backoff", self.pre_publish_exechook_backoff, before),
            ("--webhook-timeout", self.webhook_timeout, web),
            ("--webhook-backoff", self.webhook_backoff, web),
        ];
        if let Some((flag, ..)) = spans.iter().find(|(_, span, used)| *used && *span < Duration::from_secs(1)) {
            return Err(Fault::usage(anyhow!("{flag} must be at least 1s")));
        }
        if !(-1..1000).contains(&self.webhook_success_status) {
            return Err(Fault::usage(anyhow!("--webhook-success-status must be an HTTP status, or 0 for any")));
        }
        if self.pre_publish_exechook_gate && !before {
            return Err(Fault::usage(anyhow!("--pre-publish-exechook-gate needs --pre-publish-exechook-command")));
        }
        Ok(())
    }
}
