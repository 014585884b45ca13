//! Who does what when: the window is walked hour by hour, and each hour is filled with episodes of work.

use std::io;

use rand::Rng;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;

use super::acts::{Act, Place, Repertoires, Verdict};
use super::calls::{Visit, write_call};
use super::estate::{DAYS, FIRST_DAY, Organization};
use super::operations::{Operation, Operations};
use super::personas::{Calendar, PERSONAS, Persona};
use super::principals::temporary_key;
use super::records::EventId;
use super::roster::HR_SYNC;
use super::stories::STORIES;
use super::values::write_uuid;
use super::write::Trail;

/// From how many events on every operation occurs at least once.
const COMPLETE_FROM: u64 = 1_000;
/// Operations that the laboratory's administrator works through in one go.
const BATCH: usize = 6;

/// A success that the policies of the snapshot do not allow.
#[derive(Debug)]
pub(super) struct Contradiction {
    pub(super) id: EventId,
    pub(super) time: u64,
    pub(super) text: String,
}

/// A persona with its calls looked up.
#[derive(Debug)]
struct Cast<'a> {
    persona: &'static Persona,
    acts: Vec<(Act, &'a Operation)>,
    /// Those that it has not made yet: they come first every other time.
    fresh: Vec<(Act, &'a Operation)>,
}

/// The state of the generation.
pub(super) struct Traffic<'a> {
    pub(super) rng: ChaCha8Rng,
    pub(super) operations: &'a Operations,
    trail: &'a mut dyn Trail,
    pub(super) contradictions: Vec<Contradiction>,
    cast: Vec<Cast<'a>>,
    /// Operations that have to occur, last first.
    required: Vec<&'a Operation>,
    total: u64,
    written: u64,
}

impl<'a> Traffic<'a> {
    /// Prepares `total` events.
    pub(super) fn new(rng: ChaCha8Rng, operations: &'a Operations, trail: &'a mut dyn Trail, total: u64) -> io::Result<Self> {
        let repertoires = Repertoires::load()?;
        let look_up = |persona: &'static Persona| -> io::Result<Cast<'a>> {
            let acts = repertoires.get(persona.repertoire)?;
            let acts = acts.into_iter().map(|(name, act)| Ok((act, operations.get(name)?))).collect::<io::Result<Vec<_>>>()?;
            Ok(Cast { persona, fresh: acts.clone(), acts })
        };
        // Mailbox exports hand over a role that the laboratory may not pass.
        let mut required: Vec<&Operation> = operations.of_service("workmail").filter(|o| o.name != "StartMailboxExportJob").collect();
        required.reverse();
        if total < COMPLETE_FROM {
            required.clear();
        }
        let cast = PERSONAS.iter().map(look_up).collect::<io::Result<_>>()?;
        Ok(Self { rng, operations, trail, contradictions: Vec::new(), cast, required, total, written: 0 })
    }

    /// Generates all events.
    pub(super) fn run(&mut self) -> io::Result<()> {
        let batches = self.required.len().div_ceil(BATCH) as u64;
        let all_hours: u64 = (0..DAYS * 24).map(hour_weight).sum();
        let (mut passed, mut stories, mut done_batches) = (0, STORIES.iter().peekable(), 0);
        for hour in 0..DAYS * 24 {
            let start = (FIRST_DAY * 24 + hour) * 3600;
            let before = share(self.total, passed, all_hours);
            passed += hour_weight(hour);
            let quota = share(self.total, passed, all_hours);
            while let Some(story) = stories.next_if(|story| story.day * 24 + story.hour <= hour) {
                story.tell(self, start)?;
            }
            while done_batches < batches && self.written >= (done_batches + 1) * self.total / (batches + 2) {
                self.work_through(start + 60)?;
                done_batches += 1;
            }
            while self.written < quota {
                let offset = 3_000 * self.written.saturating_sub(before) / (quota - before).max(1);
                self.episode(hour, start + offset)?;
            }
        }
        Ok(())
    }

    /// Whether there are events left to write.
    pub(super) fn is_complete(&self) -> bool {
        self.written >= self.total
    }

    /// Counts and delivers an event.
    pub(super) fn deliver(
        &mut self,
        account: &'static str,
        region: &'static str,
        folder: &'static str,
        time: u64,
        record: &str,
    ) -> io::Result<()> {
        if !self.is_complete() {
            self.written += 1;
            self.trail.push(account, region, folder, time, record, &mut self.rng)?;
        }
        Ok(())
    }

    fn episode(&mut self, hour: u64, start: u64) -> io::Result<()> {
        if self.rng.random_ratio(1, 22) {
            return super::stories::machines(self, start);
        }
        let weight = |cast: &Cast<'_>| {
            if works_at(cast.persona.calendar, hour) { cast.persona.weight } else { 0 }
        };
        let Some(index) = choose_weighted(&self.cast, weight, &mut self.rng) else {
            return Ok(());
        };
        let Some(persona) = self.cast.get(index).map(|cast| cast.persona) else {
            return Ok(());
        };
        let mut visit = self.begin(persona, start)?;
        for _ in 0..self.rng.random_range(persona.calls.0..=persona.calls.1) {
            let Some((act, operation)) = self.choose_act(index) else {
                break;
            };
            self.call(&mut visit, &act, operation)?;
        }
        Ok(())
    }

    fn choose_act(&mut self, persona: usize) -> Option<(Act, &'a Operation)> {
        let Cast { acts, fresh, .. } = self.cast.get_mut(persona)?;
        if !fresh.is_empty() && self.rng.random_bool(0.5) {
            return fresh.pop();
        }
        acts.get(choose_weighted(acts, |(act, _)| act.weight, &mut self.rng)?).copied()
    }

    /// The next operations of the list, each called once by someone who may call everything.
    fn work_through(&mut self, start: u64) -> io::Result<()> {
        let of = |wanted: fn(&Persona) -> bool| PERSONAS.iter().find(|persona| wanted(persona));
        let (Some(laboratory), Some(legacy)) = (PERSONAS.last(), of(|persona| std::ptr::eq(persona.principal, &HR_SYNC))) else {
            return Ok(());
        };
        let mut visits = [self.begin(laboratory, start)?, self.begin(legacy, start)?];
        for _ in 0..BATCH {
            let Some(operation) = self.required.pop() else {
                break;
            };
            let [console, key] = &mut visits;
            let visit = if super::operations::is_legacy(&operation.name) { key } else { console };
            self.call(visit, &Act::with(Verdict::Allowed), operation)?;
        }
        Ok(())
    }

    /// Signs a persona in; what that leaves in the log comes before the calls.
    pub(super) fn begin(&mut self, persona: &'static Persona, start: u64) -> io::Result<Visit> {
        let organization: &'static Organization = persona.organizations.choose(&mut self.rng).copied().unwrap_or(&super::estate::CORP);
        let session = persona.sessions.choose(&mut self.rng).copied().unwrap_or_default();
        let place = persona.places.choose(&mut self.rng).copied().unwrap_or(Place::Office);
        let key = self.access_key();
        let visit = Visit::new(persona, organization, session, place, key, start, &mut self.rng);
        super::sign_ins::sign_in(self, &visit)?;
        Ok(visit)
    }

    /// A call and the seconds that pass before the next one.
    pub(super) fn call(&mut self, visit: &mut Visit, act: &Act, operation: &Operation) -> io::Result<EventId> {
        visit.time += self.rng.random_range(1..40);
        let mut record = String::with_capacity(2_048);
        let call = write_call(&mut record, visit, act, operation, &mut self.rng);
        self.deliver(call.account, call.region, super::write::MANAGEMENT, visit.time, &record)?;
        Ok(call.id)
    }

    /// The id of new temporary credentials.
    pub(super) fn access_key(&mut self) -> String {
        temporary_key(&mut self.rng)
    }

    /// A fresh id for records that several accounts get.
    pub(super) fn shared_id(&mut self) -> String {
        let mut id = String::new();
        write_uuid(&mut id, self.rng.random(), self.rng.random());
        id
    }
}

/// The index of an item, chosen in proportion to the weights.
fn choose_weighted<T>(items: &[T], weight: impl Fn(&T) -> u32, rng: &mut ChaCha8Rng) -> Option<usize> {
    let mut left = rng.random_range(0..items.iter().map(&weight).sum::<u32>().max(1));
    items.iter().position(|item| {
        let found = left < weight(item);
        left = left.saturating_sub(weight(item));
        found
    })
}

fn share(total: u64, passed: u64, all: u64) -> u64 {
    u64::try_from(u128::from(total) * u128::from(passed) / u128::from(all.max(1))).unwrap_or(total)
}

fn is_weekend(hour: u64) -> bool {
    // The window begins on a Monday.
    hour / 24 % 7 >= 5
}

fn is_office_hour(hour: u64) -> bool {
    !is_weekend(hour) && (6..17).contains(&(hour % 24))
}

fn hour_weight(hour: u64) -> u64 {
    match (is_weekend(hour), hour % 24) {
        (true, _) => 4,
        (false, 8..=10 | 13..=15) => 40,
        (false, 6..=17) => 25,
        (false, _) => 6,
    }
}

fn works_at(calendar: Calendar, hour: u64) -> bool {
    let day_of_month = super::values::date(FIRST_DAY + hour / 24).2;
    match calendar {
        Calendar::Always => true,
        Calendar::Office => is_office_hour(hour),
        Calendar::OfficeUntil(day) => is_office_hour(hour) && hour / 24 < day,
        Calendar::OfficeOnDays(first, last) => is_office_hour(hour) && (first..=last).contains(&day_of_month),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn hours_of_the_office_weigh_more() {
        assert!(hour_weight(9) > hour_weight(2));
        assert!(hour_weight(2) > hour_weight(5 * 24 + 9));
        assert!(works_at(Calendar::Office, 9) && !works_at(Calendar::Office, 20) && !works_at(Calendar::Office, 6 * 24 + 9));
    }

    #[test]
    fn calendars_know_the_day_of_the_month() {
        assert!(works_at(Calendar::OfficeOnDays(1, 4), 9));
        assert!(!works_at(Calendar::OfficeOnDays(1, 4), 7 * 24 + 9));
        assert!(works_at(Calendar::OfficeUntil(1), 9) && !works_at(Calendar::OfficeUntil(1), 24 + 9));
    }

    #[test]
    fn shares_add_up() {
        assert_eq!(share(10, 0, 3), 0);
        assert_eq!(share(10, 3, 3), 10);
        assert_eq!(share(u64::MAX, 3, 3), u64::MAX);
    }
}
