//! The decision where a batch of requests goes, and why.
//!
//! What is asked, the policy and what is known of the replicas come in; a target and its reason go out. No I/O, no clock.

use crate::ambassador_redis::consistency::{Consistency, Mark};

/// Which servers may answer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ReadFrom {
    /// Only the primary
    Primary,
    /// The primary; a replica while the primary cannot be reached
    PreferPrimary,
    /// Only replicas
    Replica,
    /// A replica; the primary if no replica may answer
    PreferReplica,
    /// Whoever has least to do, the primary included
    Any,
}

/// What is asked, and in which situation.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// Whether every request of the batch may be answered by a replica.
    pub reads: bool,
    pub read_from: ReadFrom,
    pub consistency: Consistency,
    pub primary_ready: bool,
    pub primary_in_flight: u32,
    /// Whether an offset is known that covers all that was told.
    pub settled: bool,
    /// That offset.
    pub reach: Mark,
    /// Whether the session was told something that a replica may lack.
    pub told: bool,
    /// The replica that the session read from last.
    pub sticky: Option<u32>,
    /// A number of the session's own: equally good replicas are given out by it.
    pub session: u64,
}

/// What is known of one replica.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    pub number: u32,
    /// Connected, in step with the primary and within the allowed lag.
    pub fit: bool,
    pub applied: Mark,
    /// The last question for its offset had an answer that did not suffice.
    pub behind: bool,
    pub in_flight: u32,
}

/// Where the batch goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Primary(Reason),
    Replica {
        /// The place among the candidates.
        index: usize,
        /// What the replica must prove to have reached, if that is not known yet.
        needs: Option<Mark>,
        /// Whether the session leaves another replica for this one.
        moved: bool,
    },
    /// Nobody may answer.
    Nobody,
}

/// Why the primary is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The batch holds something that only the primary may do.
    Command,
    Policy,
    /// The application was told something by the primary that no known offset covers yet.
    Unsettled,
    /// Every fit replica is behind what the application has seen.
    Behind,
    /// No replica is fit.
    NoReplica,
    /// The primary has less to do.
    LessBusy,
}

impl Reason {
    pub const ALL: [Reason; 6] =
        [Reason::Command, Reason::Policy, Reason::Unsettled, Reason::Behind, Reason::NoReplica, Reason::LessBusy];

    pub fn label(self) -> &'static str {
        match self {
            Reason::Command => "command",
            Reason::Policy => "policy",
            Reason::Unsettled => "unsettled",
            Reason::Behind => "replicas_behind",
            Reason::NoReplica => "no_replica",
            Reason::LessBusy => "less_busy",
        }
    }
}

/// A session leaves its replica when that awaits this many replies more than four times those of the least busy one. Moving is not
/// free: what the old replica has shown must be covered before the new one may answer.
const IMBALANCE: u32 = 256;

/// Decides.
pub fn route(question: &Question, candidates: impl Iterator<Item = Candidate> + Clone) -> Target {
    if !question.reads {
        return Target::Primary(Reason::Command);
    }
    match question.read_from {
        ReadFrom::Primary => return Target::Primary(Reason::Policy),
        ReadFrom::PreferPrimary if question.primary_ready => return Target::Primary(Reason::Policy),
        _ if question.consistency == Consistency::Primary => return Target::Primary(Reason::Policy),
        _ => {}
    }
    let guarded = match question.consistency {
        Consistency::Eventual | Consistency::Primary => false,
        Consistency::Session => question.told,
        Consistency::Proxy => true,
    };
    let Some((index, replica)) = choose(question, candidates) else {
        return match question.read_from {
            ReadFrom::Replica => Target::Nobody,
            _ => Target::Primary(Reason::NoReplica),
        };
    };
    if question.read_from == ReadFrom::Any && question.primary_ready && question.primary_in_flight < replica.in_flight {
        return Target::Primary(Reason::LessBusy);
    }
    if guarded && !question.settled {
        return Target::Primary(Reason::Unsettled);
    }
    let reached = !guarded || replica.applied >= question.reach;
    if !reached && replica.behind {
        return Target::Primary(Reason::Behind);
    }
    Target::Replica {
        index,
        needs: (!reached).then_some(question.reach),
        moved: question.sticky.is_some_and(|sticky| sticky != replica.number),
    }
}

/// The session's last replica, unless it is unfit or clearly busier than the least busy one. Among equally good ones each
/// session begins with another.
fn choose(question: &Question, candidates: impl Iterator<Item = Candidate> + Clone) -> Option<(usize, Candidate)> {
    let count = candidates.clone().count().max(1) as u64;
    let fit = candidates.enumerate().filter(|(_, candidate)| candidate.fit);
    let turn = |index: usize| (index as u64 + count - question.session % count) % count;
    let least = fit.clone().min_by_key(|(index, candidate)| (candidate.behind, candidate.in_flight, turn(*index)))?;
    let sticky = fit.clone().find(|(_, candidate)| Some(candidate.number) == question.sticky);
    match sticky {
        Some((index, sticky))
            if sticky.in_flight <= least.1.in_flight.saturating_mul(4) + IMBALANCE
                && (!sticky.behind || least.1.behind) =>
        {
            Some((index, sticky))
        }
        _ => Some(least),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUESTION: Question = Question {
        reads: true,
        read_from: ReadFrom::PreferReplica,
        consistency: Consistency::Proxy,
        primary_ready: true,
        primary_in_flight: 0,
        settled: true,
        reach: Mark::in_first_generation(10),
        told: true,
        sticky: None,
        session: 0,
    };

    fn replica(number: u32, offset: u64) -> Candidate {
        Candidate { number, fit: true, applied: Mark::in_first_generation(offset), behind: false, in_flight: 0 }
    }

    fn ask(question: Question, candidates: &[Candidate]) -> Target {
        route(&question, candidates.iter().copied())
    }

    #[test]
    fn sessions_begin_with_different_replicas_when_all_are_equally_good() {
        let replicas = [replica(1, 10), replica(2, 10), replica(3, 10)];
        let first = |session| match ask(Question { session, ..QUESTION }, &replicas) {
            Target::Replica { index, .. } => index,
            other => panic!("{other:?}"),
        };
        assert_eq!([0, 1, 2, 3].map(first), [0, 1, 2, 0]);
    }

    #[test]
    fn a_write_goes_to_the_primary() {
        assert_eq!(ask(Question { reads: false, ..QUESTION }, &[replica(1, 10)]), Target::Primary(Reason::Command));
    }

    #[test]
    fn a_replica_that_has_reached_the_mark_answers() {
        assert_eq!(ask(QUESTION, &[replica(1, 10)]), Target::Replica { index: 0, needs: None, moved: false });
    }

    #[test]
    fn a_replica_that_may_be_behind_must_prove_itself() {
        let needs = Some(Mark::in_first_generation(10));
        assert_eq!(ask(QUESTION, &[replica(1, 9)]), Target::Replica { index: 0, needs, moved: false });
        let behind = Candidate { behind: true, ..replica(1, 9) };
        assert_eq!(ask(QUESTION, &[behind]), Target::Primary(Reason::Behind));
    }

    #[test]
    fn what_was_told_and_is_not_covered_keeps_reads_on_the_primary() {
        let unsettled = Question { settled: false, ..QUESTION };
        assert_eq!(ask(unsettled, &[replica(1, 10)]), Target::Primary(Reason::Unsettled));
        let stranger = Question { consistency: Consistency::Session, told: false, ..unsettled };
        assert_eq!(ask(stranger, &[replica(1, 0)]), Target::Replica { index: 0, needs: None, moved: false });
        let careless = Question { consistency: Consistency::Eventual, ..unsettled };
        assert_eq!(ask(careless, &[replica(1, 0)]), Target::Replica { index: 0, needs: None, moved: false });
    }

    #[test]
    fn without_a_fit_replica_the_policy_decides() {
        let unfit = Candidate { fit: false, ..replica(1, 10) };
        assert_eq!(ask(QUESTION, &[unfit]), Target::Primary(Reason::NoReplica));
        assert_eq!(ask(Question { read_from: ReadFrom::Replica, ..QUESTION }, &[unfit]), Target::Nobody);
    }

    #[test]
    fn a_session_stays_with_its_replica_until_that_is_clearly_busier() {
        let sticky = Question { sticky: Some(1), ..QUESTION };
        let busy = |in_flight| Candidate { in_flight, ..replica(1, 10) };
        assert_eq!(
            ask(sticky, &[replica(0, 10), busy(IMBALANCE)]),
            Target::Replica { index: 1, needs: None, moved: false }
        );
        assert_eq!(
            ask(sticky, &[replica(0, 10), busy(IMBALANCE + 1)]),
            Target::Replica { index: 0, needs: None, moved: true }
        );
    }
}
