//! What would settle an open decision, with what each state of it comes to.

use super::program::Program;
use super::record::{SettledCell, Settling};
use super::split::{Case, Evaluation, Unknown};
use super::words;

impl Evaluation {
    /// What would settle `outcome` over `cases`: each key or layer, with what its states come to.
    pub fn settling_cells<T: PartialEq>(
        &self,
        program: &Program,
        cases: &[&Case],
        outcome: impl Fn(&Case) -> T,
        name: impl Fn(&[&Case]) -> String,
    ) -> Vec<Settling> {
        let mut all: Vec<Settling> = Vec::new();
        for index in self.settling(cases, &outcome) {
            let Some(variable) = self.variables.get(index) else { continue };
            let mut by_outcome: Vec<(String, Vec<usize>)> = Vec::new();
            for state in 0..variable.states.len() {
                let with: Vec<&Case> = cases.iter().copied().filter(|case| case.states.get(index) == Some(&state)).collect();
                if with.is_empty() {
                    continue;
                }
                let outcome = name(&with);
                match by_outcome.iter_mut().find(|(known, _)| *known == outcome) {
                    Some((_, states)) => states.push(state),
                    None => by_outcome.push((outcome, vec![state])),
                }
            }
            let when = |states: &[usize]| match (&variable.what, states) {
                (Unknown::Permit(_), [1]) => "they permit it".to_owned(),
                (Unknown::Permit(_), [_]) => "they do not permit it".to_owned(),
                (Unknown::Grant(..), [1]) => "one of them allows it".to_owned(),
                (Unknown::Grant(..), [_]) => "none of them allows it".to_owned(),
                _ => words::variable(program, &self.asks, variable, states),
            };
            let cells = by_outcome.into_iter().map(|(decision, states)| SettledCell { when: when(&states), decision }).collect();
            let settling = Settling { key: super::decision::variable_names(program, variable).join(" and "), cells };
            if !all.contains(&settling) {
                all.push(settling);
            }
        }
        all
    }
}
