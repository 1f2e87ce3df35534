//! From what the servers say of themselves to one picture: who is the primary, which replicas may answer.
//!
//! Observations come in, a verdict goes out; no I/O, no clock. Two servers that both say they are the primary are told apart by the
//! one that was the primary before, or is configured as such; a server that does not say `master` is never written to.

use super::Source;

/// What one server said in one round; `Err` if it could not be asked.
pub type Answer = Result<Observation, String>;

/// What `INFO replication` tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    pub is_primary: bool,
    /// The identity of the replication history.
    pub history: String,
    pub offset: u64,
    /// Whom a replica follows.
    pub source: Source,
    pub link_up: bool,
    pub syncing: bool,
    pub loading: bool,
    pub version: String,
    pub run_id: String,
}

impl Observation {
    /// Reads the text of `INFO`.
    pub fn parse(info: &str) -> Option<Observation> {
        let field = |name: &str| info.lines().find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'));
        let is_primary = match field("role")? {
            "master" => true,
            "slave" => false,
            _ => return None,
        };
        let offset = if is_primary { "master_repl_offset" } else { "slave_repl_offset" };
        let set = |name: &str| field(name).is_some_and(|value| value != "0");
        Some(Observation {
            is_primary,
            history: field("master_replid").unwrap_or_default().to_owned(),
            offset: field(offset).and_then(|offset| offset.parse().ok()).unwrap_or(0),
            source: Source::new(
                field("master_host").unwrap_or_default().as_bytes(),
                field("master_port").and_then(|port| port.parse().ok()).unwrap_or(0),
            ),
            link_up: field("master_link_status") == Some("up"),
            syncing: set("master_sync_in_progress"),
            loading: set("loading") || set("async_loading"),
            version: field("valkey_version").or(field("redis_version")).unwrap_or_default().to_owned(),
            run_id: field("run_id").unwrap_or_default().to_owned(),
        })
    }
}

/// The picture of one round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The place of the primary among the answers, or why there is none.
    pub primary: Result<usize, String>,
    /// For each server, why it may not answer reads; `None` if it may.
    pub unfit: Vec<Option<String>>,
}

/// What is known from earlier rounds.
#[derive(Clone, Debug, Default)]
pub struct Before {
    pub primary: Option<usize>,
    pub history: String,
}

/// Who says which server is the primary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authority {
    /// The servers themselves; in doubt the one that the user called so.
    Roles { configured: Option<usize> },
    /// The Sentinels: the place of the server that they name. `fenced`: a second server has said for a short while only that it is a
    /// primary, or a Sentinel that it has selected one, so that a failover is under way whose end the Sentinels do not tell yet.
    Sentinels { named: Result<Option<usize>, String>, fenced: bool },
}

/// Makes one picture of the answers.
pub fn decide(answers: &[Answer], authority: &Authority, before: &Before, max_lag: u64) -> Verdict {
    let primary = match authority {
        Authority::Roles { configured } => by_roles(answers, *configured, before),
        Authority::Sentinels { named, fenced } => by_sentinels(answers, named, *fenced, before),
    };
    let leader = primary.as_ref().ok().and_then(|place| answers[*place].as_ref().ok());
    let unfit = answers.iter().map(|answer| unfit(answer, leader, &before.history, max_lag)).collect();
    Verdict { primary, unfit }
}

fn by_roles(answers: &[Answer], configured: Option<usize>, before: &Before) -> Result<usize, String> {
    let claims: Vec<usize> = places(answers, |observation| observation.is_primary).collect();
    let preferred = before.primary.or(configured);
    match claims.as_slice() {
        // Nobody says so. A primary that cannot be asked may still be one; a demoted one is none.
        [] => match preferred {
            Some(place) if answers[place].is_err() => Ok(place),
            Some(_) => Err("no server says that it is the primary".to_owned()),
            None => match answers.iter().find_map(|answer| answer.as_ref().err()) {
                Some(why) => Err(why.clone()),
                None => Err("no server says that it is the primary".to_owned()),
            },
        },
        [only] => match preferred {
            // Another server claims to be the primary while the known one is silent: believe it if others follow it.
            Some(place) if place != *only && answers[place].is_err() && !is_followed(answers, *only) => Ok(place),
            _ => Ok(*only),
        },
        several => match preferred.filter(|place| several.contains(place)) {
            Some(place) => Ok(place),
            None => Err(format!("{} servers say that they are the primary", several.len())),
        },
    }
}

fn by_sentinels(
    answers: &[Answer],
    named: &Result<Option<usize>, String>,
    fenced: bool,
    before: &Before,
) -> Result<usize, String> {
    let place = match (named, before.primary) {
        (Ok(Some(place)), _) => *place,
        (Ok(None), _) => return Err("the server that is named as the primary is not known yet".to_owned()),
        // Sentinels that are away change nothing.
        (Err(_), Some(place)) => place,
        (Err(why), None) => return Err(why.clone()),
    };
    match &answers[place] {
        Ok(seen) if !seen.is_primary => {
            Err("the server that is named as the primary says that it is a replica".to_owned())
        }
        Ok(_) if fenced && before.primary == Some(place) => {
            Err("a failover is under way; waiting until the new primary is named".to_owned())
        }
        Ok(_) => Ok(place),
        Err(_) if before.primary == Some(place) => Ok(place),
        Err(why) => Err(why.clone()),
    }
}

/// Whether a replica that is in step has the history of this server.
fn is_followed(answers: &[Answer], primary: usize) -> bool {
    let Ok(leader) = &answers[primary] else { return false };
    places(answers, |other| !other.is_primary && other.link_up && other.history == leader.history).next().is_some()
        || answers.len() <= 2
}

fn unfit(answer: &Answer, leader: Option<&Observation>, history: &str, max_lag: u64) -> Option<String> {
    let replica = match answer {
        Err(why) => return Some(why.clone()),
        Ok(observation) => observation,
    };
    if replica.is_primary {
        return Some("it is a primary".to_owned());
    }
    if replica.loading {
        return Some("it is loading its data".to_owned());
    }
    if replica.syncing {
        return Some("it is receiving a full copy from its primary".to_owned());
    }
    match leader {
        Some(leader) if replica.history != leader.history => {
            Some("it follows another history than the primary's".to_owned())
        }
        Some(_) if !replica.link_up => Some("its link to the primary is down".to_owned()),
        Some(leader) if leader.offset.saturating_sub(replica.offset) > max_lag => {
            Some(format!("it is {} bytes behind the primary", leader.offset - replica.offset))
        }
        // While the primary cannot be asked, a replica that has its history still holds what was written.
        None if replica.history != history => Some("it follows another history than the primary's".to_owned()),
        _ => None,
    }
}

fn places(answers: &[Answer], wanted: impl Fn(&Observation) -> bool) -> impl Iterator<Item = usize> {
    answers
        .iter()
        .enumerate()
        .filter_map(move |(place, answer)| answer.as_ref().ok().filter(|seen| wanted(seen)).map(|_| place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn primary(offset: u64) -> Answer {
        Ok(Observation { is_primary: true, history: "h".into(), offset, ..Observation::default() })
    }

    fn replica(offset: u64) -> Answer {
        Ok(Observation { history: "h".into(), offset, link_up: true, ..Observation::default() })
    }

    fn gone() -> Answer {
        Err("connection refused".into())
    }

    fn before(place: usize) -> Before {
        Before { primary: Some(place), history: "h".into() }
    }

    #[test]
    fn info_is_read_for_both_roles() {
        let info = "# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\nloading:0\r\n# Replication\r\nrole:slave\r\nmaster_link_status:up\r\n\
                    master_sync_in_progress:0\r\nslave_repl_offset:42\r\nmaster_replid:h\r\nmaster_repl_offset:41\r\n";
        let seen = Observation::parse(info).expect("an INFO");
        assert_eq!((seen.is_primary, seen.offset, seen.link_up, seen.history.as_str()), (false, 42, true, "h"));
        assert_eq!(Observation::parse("role:sentinel\r\n"), None);
    }

    #[test]
    fn a_demoted_primary_is_not_written_to() {
        let verdict = decide(&[replica(9), primary(10)], &Authority::Roles { configured: Some(0) }, &before(0), 100);
        assert_eq!(verdict.primary, Ok(1));
        assert_eq!(verdict.unfit[0], None);
        let verdict = decide(&[replica(9), gone()], &Authority::Roles { configured: Some(0) }, &before(0), 100);
        assert!(verdict.primary.is_err());
    }

    #[test]
    fn a_silent_primary_keeps_its_place_until_others_follow_a_new_one() {
        assert_eq!(
            decide(&[gone(), replica(9), replica(9)], &Authority::Roles { configured: Some(0) }, &before(0), 100)
                .primary,
            Ok(0)
        );
        assert_eq!(
            decide(&[gone(), primary(9), gone()], &Authority::Roles { configured: Some(0) }, &before(0), 100).primary,
            Ok(0)
        );
        assert_eq!(
            decide(&[gone(), primary(9), replica(9)], &Authority::Roles { configured: Some(0) }, &before(0), 100)
                .primary,
            Ok(1)
        );
    }

    #[test]
    fn of_two_primaries_the_known_one_stays() {
        assert_eq!(
            decide(&[primary(5), primary(50)], &Authority::Roles { configured: Some(0) }, &before(0), 100).primary,
            Ok(0)
        );
        assert!(
            decide(&[primary(5), primary(50), gone()], &Authority::Roles { configured: None }, &Before::default(), 100)
                .primary
                .is_err()
        );
    }

    #[test]
    fn with_sentinels_a_second_primary_holds_writes_until_they_have_spoken() {
        let sentinels = |named, fenced| Authority::Sentinels { named: Ok(Some(named)), fenced };
        let both = [primary(5), primary(6)];
        assert!(decide(&both, &sentinels(0, true), &before(0), 100).primary.is_err());
        assert_eq!(decide(&both, &sentinels(1, true), &before(0), 100).primary, Ok(1));
        assert_eq!(decide(&both, &sentinels(0, false), &before(0), 100).primary, Ok(0));
        assert!(decide(&[replica(5), primary(6)], &sentinels(0, false), &before(0), 100).primary.is_err());
        assert_eq!(decide(&[gone(), replica(6)], &sentinels(0, false), &before(0), 100).primary, Ok(0));
        let silent = Authority::Sentinels { named: Err("away".into()), fenced: false };
        assert_eq!(decide(&[primary(5), replica(5)], &silent, &before(0), 100).primary, Ok(0));
    }

    #[test]
    fn a_replica_leaves_when_it_is_not_in_step() {
        let other = Ok(Observation { history: "x".into(), link_up: true, ..Observation::default() });
        let unlinked = Ok(Observation { history: "h".into(), ..Observation::default() });
        let verdict = decide(
            &[primary(1000), replica(950), replica(800), other, unlinked.clone(), gone()],
            &Authority::Roles { configured: Some(0) },
            &before(0),
            100,
        );
        assert_eq!(
            verdict.unfit.iter().map(Option::is_none).collect::<Vec<_>>(),
            [false, true, false, false, false, false]
        );
        // With the primary away, its replicas still hold its history.
        assert_eq!(
            decide(&[gone(), unlinked], &Authority::Roles { configured: Some(0) }, &before(0), 100).unfit[1],
            None
        );
    }
}
