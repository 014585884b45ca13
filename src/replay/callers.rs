//! Who calls, and from where: what the events of one session have in common is worked out once for all of them.
//!
//! Rules read an event through a view that notes the fields they read ([`super::memo`]). A rule that read only fields in which
//! events agree takes the same turns for each of them, so its answer stands for all; what read more is asked event by event.

use std::hash::{BuildHasher as _, Hasher as _};

use arrow::array::{Array as _, StringArray};
use arrow::buffer::ScalarBuffer;
use hashbrown::HashTable;

use super::caller::Caller;
use super::codes::is_held;
use super::view::{EventColumns, Field};
use crate::error::Result;
use crate::evaluate::KeyId;
use crate::frame::{Distinct, Flag, Text, Texts};

/// The text columns in which the events of a session agree; those that are not loaded tell nothing apart.
const TEXTS: [Text; 16] = [
    Text::AccessKeyId,
    Text::SourceIp,
    Text::PrincipalArn,
    Text::PrincipalId,
    Text::PrincipalAccountId,
    Text::IdentityType,
    Text::SessionName,
    Text::SessionIssuerArn,
    Text::SourceIdentity,
    Text::FederatedProvider,
    Text::InvokedBy,
    Text::VpcEndpointId,
    Text::VpcEndpointAccountId,
    Text::UserAgent,
    Text::Tls,
    Text::NotReplayable,
];

/// The flags in which they agree.
const FLAGS: [Flag; 3] = [Flag::Mfa, Flag::AssumedRoot, Flag::ConsoleSession];

/// What follows from them.
const FOLLOWING: [Field; 6] =
    [Field::SessionCreated, Field::HasSessionCreated, Field::KeyKind, Field::InstanceSession, Field::Principal, Field::Session];

/// Whether a rule that read these fields answers the same for all events of a session.
pub(super) fn are_common(fields: u64) -> bool {
    let texts = TEXTS.into_iter().map(Field::Text);
    let common = texts.chain(FLAGS.into_iter().map(Field::Flag)).chain(FOLLOWING).fold(0, |set, field| set | field.bit());
    fields & !common == 0
}

/// What the events of a session have in common.
#[derive(Debug, Clone)]
pub(super) struct Common {
    pub(super) caller: Caller,
    /// Whether the filter lets them through; `None` if that depends on more.
    pub(super) keeps: Option<bool>,
    /// The number of what their requests have in common.
    pub(super) context: u32,
    /// What the log tells of their session, by number from 1.
    pub(super) told: u32,
    /// Tells their session from others.
    pub(super) session: Option<u64>,
    /// The number of its name; 0 for none.
    pub(super) session_name: u32,
}

/// What distinct requests have in common that come from sessions alike, by number.
#[derive(Debug, Default)]
pub(super) struct Contexts {
    known: HashTable<u32>,
    numbers: Vec<Vec<u32>>,
    /// The keys that each leaves open, since what is known of them depends on more than the session: the ones that what is
    /// asked for tells, and the ones that are asked for event by event.
    told: Vec<Vec<KeyId>>,
    open: Vec<Vec<KeyId>>,
    /// Keys of which what is asked for did not tell what was thought.
    untold: Vec<KeyId>,
    /// The context in the making.
    making: (Vec<u32>, Vec<KeyId>, Vec<KeyId>),
}

impl Contexts {
    /// Begins a context.
    pub(super) fn begin(&mut self, numbers: [u32; 3]) {
        let (making, told, open) = &mut self.making;
        making.clear();
        making.extend(numbers);
        told.clear();
        open.clear();
    }

    /// Adds what is known of a key.
    pub(super) fn fact(&mut self, fact: u32) {
        self.making.0.push(fact);
    }

    /// Adds a key of which what is asked for tells what is known.
    pub(super) fn told(&mut self, key: KeyId) {
        if self.untold.contains(&key) {
            return self.open(key);
        }
        self.making.0.push(u32::MAX - 1);
        self.making.1.push(key);
    }

    /// Adds a key that is asked for event by event.
    pub(super) fn open(&mut self, key: KeyId) {
        self.making.0.push(u32::MAX);
        self.making.2.push(key);
    }

    /// The number of the context.
    pub(super) fn end(&mut self) -> u32 {
        let (numbers, told, open) = &self.making;
        let hash_of = |numbers: &[u32]| hash(numbers, 0);
        let of = |context: &u32| self.numbers.get(*context as usize).map(Vec::as_slice).unwrap_or_default();
        let hash = hash_of(numbers);
        if let Some(known) = self.known.find(hash, |context| of(context) == numbers) {
            return *known;
        }
        let context = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        self.numbers.push(numbers.clone());
        self.told.push(told.clone());
        self.open.push(open.clone());
        let all = &self.numbers;
        self.known.insert_unique(hash, context, |context| hash_of(all.get(*context as usize).map(Vec::as_slice).unwrap_or_default()));
        context
    }

    /// Whether what is asked for should tell of a key what is known.
    pub(super) fn is_told(&self, context: u32, key: KeyId) -> bool {
        self.told.get(context as usize).is_some_and(|told| told.contains(&key))
    }

    /// It does not: from now on the key is asked for event by event.
    pub(super) fn ask(&mut self, key: KeyId) {
        self.untold.push(key);
        for (told, open) in self.told.iter_mut().zip(&mut self.open) {
            let before = told.len();
            told.retain(|known| *known != key);
            open.extend((told.len() < before).then_some(key));
        }
    }

    /// The keys that are asked for event by event.
    pub(super) fn asked(&self, context: u32) -> &[KeyId] {
        self.open.get(context as usize).map(Vec::as_slice).unwrap_or_default()
    }
}

/// The sessions of a row group, found by the codes of its columns.
#[derive(Default)]
pub(super) struct Callers {
    /// The columns that have a text in some row, and the values that their codes stand for.
    columns: Vec<(Text, Option<StringArray>)>,
    /// Numbers of texts that have no codes.
    plain: Distinct,
    /// For each session: its codes, flags, and when it was created.
    codes: Vec<u32>,
    created: Vec<i64>,
    all: Vec<Common>,
    /// Sessions by everything that tells them apart.
    index: HashTable<u32>,
    /// The session that was found last for an access key.
    recent: Vec<u32>,
    /// The codes of the batch at hand, column by column, and the flags.
    batch: Vec<ScalarBuffer<u32>>,
    row: Vec<u32>,
}

/// How many access keys are told apart to guess a session.
const RECENT: usize = 4_096;

/// The most sessions that are kept.
const MOST: usize = 1 << 17;

/// The code of a row without text.
const NONE: u32 = u32::MAX;

impl Callers {
    /// Begins a batch. What is known of sessions is forgotten where codes stand for other texts.
    ///
    /// # Errors
    /// [`crate::Error::Columns`] beyond 4 GB of text.
    pub(super) fn begin(&mut self, columns: &EventColumns) -> Result<()> {
        let present = |column: &Text| columns.texts(*column).filter(|texts| !texts.is_empty()).map(|texts| (*column, texts));
        let texts: Vec<(Text, &Texts)> = TEXTS.iter().filter_map(present).collect();
        let same = texts.len() == self.columns.len()
            && texts.iter().zip(&self.columns).all(|((column, texts), (known, held))| {
                column == known
                    && match texts {
                        Texts::Plain(_) => held.is_none(),
                        Texts::Coded(_, values) => is_held(held.as_ref(), values),
                    }
            });
        if !same || self.all.len() > MOST {
            let values = |texts: &Texts| match texts {
                Texts::Plain(_) => None,
                Texts::Coded(_, values) => Some(values.clone()),
            };
            *self = Self {
                columns: texts.iter().map(|(column, texts)| (*column, values(texts))).collect(),
                recent: vec![u32::MAX; RECENT],
                batch: std::mem::take(&mut self.batch),
                row: std::mem::take(&mut self.row),
                ..Self::default()
            };
        }
        self.batch.clear();
        for (_, texts) in &texts {
            self.batch.push(match texts {
                Texts::Coded(array, _) => match array.nulls() {
                    None => array.values().clone(),
                    Some(valid) => array.values().iter().zip(valid).map(|(code, valid)| if valid { *code } else { NONE }).collect(),
                },
                Texts::Plain(array) => {
                    let number = |text: Option<&str>| text.map_or(Ok(NONE), |text| self.plain.number(text).map(|(number, _)| number));
                    array.iter().map(number).collect::<Result<Vec<u32>>>()?.into()
                }
            });
        }
        let mut flags = vec![0; columns.len()];
        FLAGS.iter().for_each(|flag| columns.add_flag(*flag, &mut flags));
        self.batch.push(flags.into());
        Ok(())
    }

    /// What is common to the events of the session of a row; `work_out` is asked where it is a new one.
    ///
    /// # Errors
    /// Those of `work_out`.
    #[inline]
    pub(super) fn find(&mut self, row: usize, created: i64, work_out: impl FnOnce() -> Result<Common>) -> Result<u32> {
        let first = self.batch.first().and_then(|codes| codes.get(row)).copied().unwrap_or(NONE);
        let guess = self.recent.get(first as usize % RECENT).copied().unwrap_or(u32::MAX);
        if self.is_of(guess, row, created) {
            return Ok(guess);
        }
        let found = self.search(row, created, work_out)?;
        if let Some(recent) = self.recent.get_mut(first as usize % RECENT) {
            *recent = found;
        }
        Ok(found)
    }

    /// What is common to the events of a session.
    #[inline]
    pub(super) fn get(&self, session: u32) -> Option<&Common> {
        self.all.get(session as usize)
    }

    #[inline]
    fn is_of(&self, session: u32, row: usize, created: i64) -> bool {
        let (session, width) = (session as usize, self.batch.len());
        let Some(known) = self.created.get(session).filter(|known| **known == created) else { return false };
        let codes = self.codes.get(session * width..(session + 1) * width).unwrap_or_default();
        *known == created && codes.iter().zip(&self.batch).all(|(code, column)| column.get(row) == Some(code))
    }

    fn search(&mut self, row: usize, created: i64, work_out: impl FnOnce() -> Result<Common>) -> Result<u32> {
        let mut codes = std::mem::take(&mut self.row);
        codes.clear();
        codes.extend(self.batch.iter().map(|column| column.get(row).copied().unwrap_or(NONE)));
        let hash = hash(&codes, created);
        let found = self.index.find(hash, |session| self.is_of(*session, row, created)).copied();
        let session = match found {
            Some(session) => session,
            None => {
                let session = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
                self.all.push(work_out()?);
                self.codes.extend_from_slice(&codes);
                self.created.push(created);
                let (all, created, width) = (&self.codes, &self.created, codes.len());
                self.index.insert_unique(hash, session, |session| {
                    let session = *session as usize;
                    let codes = all.get(session * width..(session + 1) * width).unwrap_or_default();
                    self::hash(codes, created.get(session).copied().unwrap_or_default())
                });
                session
            }
        };
        self.row = codes;
        Ok(session)
    }
}

fn hash(codes: &[u32], created: i64) -> u64 {
    let mut hasher = foldhash::fast::FixedState::with_seed(0).build_hasher();
    codes.iter().for_each(|code| hasher.write_u32(*code));
    hasher.write_i64(created);
    hasher.finish()
}
