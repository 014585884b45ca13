//! Which events of a dataset are replayed.

use super::view::EventView;
use crate::frame::Text;
use crate::iam::Pattern;

/// Filters; an empty list lets everything through, several values of one filter are alternatives.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Not before this instant, in microseconds since 1970.
    pub since: Option<i64>,
    /// Before this instant.
    pub until: Option<i64>,
    /// Accounts of the principals.
    pub accounts: Vec<String>,
    /// Regions.
    pub regions: Vec<String>,
    /// Service prefixes of the actions.
    pub services: Vec<String>,
    /// Globs over principal ARNs.
    pub principals: Vec<Pattern>,
}

impl Filter {
    /// Whether it lets everything through.
    pub fn is_empty(&self) -> bool {
        self.since.is_none()
            && self.until.is_none()
            && self.accounts.is_empty()
            && self.regions.is_empty()
            && self.services.is_empty()
            && self.principals.is_empty()
    }

    /// Whether it lets everything through, but for times.
    pub(super) fn has_only_times(&self) -> bool {
        self.accounts.is_empty() && self.regions.is_empty() && self.services.is_empty() && self.principals.is_empty()
    }

    /// Whether it lets an event through.
    pub(super) fn keeps(&self, event: EventView<'_>) -> bool {
        self.keeps_time(event.time()) && self.keeps_rest(event)
    }

    /// Whether it lets events of that time through.
    pub(super) fn keeps_time(&self, time: i64) -> bool {
        self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time < until)
    }

    /// Whether it lets an event through, whenever it was.
    pub(super) fn keeps_rest(&self, event: EventView<'_>) -> bool {
        let one_of =
            |wanted: &[String], value: Option<&str>| wanted.is_empty() || value.is_some_and(|value| wanted.iter().any(|w| w == value));
        one_of(&self.accounts, event.text(Text::PrincipalAccountId))
            && one_of(&self.regions, event.text(Text::Region))
            && one_of(&self.services, event.text(Text::Action).and_then(|action| action.split(':').next()))
            && (self.principals.is_empty()
                || event.text(Text::PrincipalArn).is_some_and(|arn| self.principals.iter().any(|pattern| pattern.matches(arn))))
    }
}
