//! The decision where a batch of requests goes, and why.
//!
//! What is asked, the policy and what is known of the replicas come in; a target and its reason go out. No I/O, no clock.

use std::cmp::Ordering;

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
    /// Whoever answers soonest, the primary included; in doubt who has least to do
    Nearest,
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
    /// Lower is better; see [`Candidate::tier`].
    pub primary_tier: u8,
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
    /// Its zone or its distance: lower is better.
    pub tier: u8,
    /// Its share beside the others; at least 1.
    pub weight: u32,
    /// How slow it is beside the others; 1 is as good as any.
    pub slowness: u32,
    /// It is far slower than the others and left alone, unless there is nobody else.
    pub ejected: bool,
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
    /// The primary is nearer.
    Nearer,
}

impl Reason {
    pub const ALL: [Reason; 7] = [
        Reason::Command,
        Reason::Policy,
        Reason::Unsettled,
        Reason::Behind,
        Reason::NoReplica,
        Reason::LessBusy,
        Reason::Nearer,
    ];

    pub fn label(self) -> &'static str {
        match self {
            Reason::Command => "command",
            Reason::Policy => "policy",
            Reason::Unsettled => "unsettled",
            Reason::Behind => "replicas_behind",
            Reason::NoReplica => "no_replica",
            Reason::LessBusy => "less_busy",
            Reason::Nearer => "nearer",
        }
    }
}

/// A session leaves its replica when that awaits this many replies more than four times those of the least busy one. Moving is not
/// free: what the old replica has shown must be covered before the new one may answer.
const IMBALANCE: u32 = 256;

/// Decides.
pub fn route(question: &Question, candidates: &[Candidate]) -> Target {
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
    if matches!(question.read_from, ReadFrom::Any | ReadFrom::Nearest) && question.primary_ready {
        match question.primary_tier.cmp(&replica.tier) {
            Ordering::Less => return Target::Primary(Reason::Nearer),
            Ordering::Equal if question.primary_in_flight < replica.in_flight => {
                return Target::Primary(Reason::LessBusy);
            }
            _ => {}
        }
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

/// The session's last replica, unless it is unfit or clearly worse than the best one. Among equally good ones each session begins with
/// another, by their weights.
fn choose<'a>(question: &Question, candidates: &'a [Candidate]) -> Option<(usize, &'a Candidate)> {
    let fit = candidates.iter().enumerate().filter(|(_, candidate)| candidate.fit);
    let all_ejected = fit.clone().all(|(_, candidate)| candidate.ejected);
    let eligible = fit.filter(|(_, candidate)| all_ejected || !candidate.ejected);
    if let Some((index, sticky)) = eligible.clone().find(|(_, candidate)| Some(candidate.number) == question.sticky) {
        let is_clearly_better = |other: &Candidate| {
            let is_less_busy = sticky.in_flight > other.in_flight.saturating_mul(4) + IMBALANCE;
            (other.behind, other.tier) < (sticky.behind, sticky.tier)
                || (other.behind, other.tier) == (sticky.behind, sticky.tier) && is_less_busy
        };
        if !eligible.clone().any(|(_, other)| is_clearly_better(other)) {
            return Some((index, sticky));
        }
    }
    let total: u64 = eligible.clone().map(|(_, candidate)| u64::from(candidate.weight)).sum();
    let turn = question.session % total.max(1);
    let mut before = 0;
    let placed = eligible.map(|(index, candidate)| {
        // Whose share the session's number falls into is first, then those behind it.
        let share = before..before + u64::from(candidate.weight);
        before = share.end;
        let distance = if share.contains(&turn) { 0 } else { (share.start + total - turn) % total };
        (distance, index, candidate)
    });
    let best = placed.min_by_key(|(distance, _, candidate)| {
        let work = u64::from(candidate.in_flight) * u64::from(candidate.slowness.max(1));
        (candidate.behind, candidate.tier, work * 64 / u64::from(candidate.weight.max(1)), *distance)
    });
    best.map(|(_, index, candidate)| (index, candidate))
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
        primary_tier: 0,
        settled: true,
        reach: Mark::in_first_generation(10),
        told: true,
        sticky: None,
        session: 0,
    };

    fn replica(number: u32, offset: u64) -> Candidate {
        Candidate {
            number,
            fit: true,
            applied: Mark::in_first_generation(offset),
            behind: false,
            in_flight: 0,
            tier: 0,
            weight: 1,
            slowness: 1,
            ejected: false,
        }
    }

    fn ask(question: Question, candidates: &[Candidate]) -> Target {
        route(&question, candidates)
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

    fn chosen(question: Question, candidates: &[Candidate]) -> usize {
        match ask(question, candidates) {
            Target::Replica { index, .. } => index,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn sessions_are_shared_out_by_weight() {
        let replicas = [Candidate { weight: 3, ..replica(1, 10) }, replica(2, 10)];
        let places = [0, 1, 2, 3, 4, 7].map(|session| chosen(Question { session, ..QUESTION }, &replicas));
        assert_eq!(places, [0, 0, 0, 1, 0, 1]);
    }

    #[test]
    fn the_own_zone_is_preferred_while_it_can_answer() {
        let far = Candidate { tier: 1, ..replica(1, 10) };
        let near = Candidate { in_flight: 200, ..replica(2, 10) };
        for session in 0..4 {
            assert_eq!(chosen(Question { session, ..QUESTION }, &[far, near]), 1);
            assert_eq!(chosen(Question { session, ..QUESTION }, &[far, Candidate { fit: false, ..near }]), 0);
        }
        // A session that was sent away comes back.
        assert_eq!(chosen(Question { sticky: Some(1), ..QUESTION }, &[far, near]), 1);
    }

    #[test]
    fn the_nearest_may_be_the_primary() {
        let nearest = Question { read_from: ReadFrom::Nearest, ..QUESTION };
        let far = Candidate { tier: 1, ..replica(1, 10) };
        assert_eq!(ask(nearest, &[far]), Target::Primary(Reason::Nearer));
        assert_eq!(chosen(nearest, &[far, replica(2, 10)]), 1);
        assert_eq!(chosen(Question { primary_tier: 1, ..nearest }, &[far]), 0);
    }

    #[test]
    fn an_outlier_is_left_alone_unless_there_is_nobody_else() {
        let slow = Candidate { ejected: true, ..replica(1, 10) };
        for sticky in [None, Some(1)] {
            assert_eq!(chosen(Question { sticky, ..QUESTION }, &[slow, replica(2, 10)]), 1);
            assert_eq!(chosen(Question { sticky, ..QUESTION }, &[slow]), 0);
        }
    }

    #[test]
    fn who_is_slow_gets_less_of_the_work() {
        let busy = |number, in_flight, slowness| Candidate { in_flight, slowness, ..replica(number, 10) };
        assert_eq!(chosen(QUESTION, &[busy(1, 5, 4), busy(2, 15, 1)]), 1);
        assert_eq!(chosen(QUESTION, &[busy(1, 5, 2), busy(2, 15, 1)]), 0);
    }
}
