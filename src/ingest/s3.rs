//! Logs in an object store that speaks S3. The only place that knows of HTTP and of asynchronous code: a thread that
//! reads an object waits for it.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::list::{PaginatedListOptions, PaginatedListStore as _};
use object_store::{ClientConfigKey, ObjectStoreExt as _, RetryConfig};
use tokio::runtime::Runtime;

use super::source::Reading;
use crate::error::{Error, Result};

/// What the settings of the environment are called.
const PREFIX: &str = "AWS_";

/// A bucket, and what waits for its answers.
struct Bucket {
    store: AmazonS3,
    runtime: Runtime,
}

/// An object of a bucket.
#[derive(Clone)]
pub(super) struct Object {
    bucket: Arc<Bucket>,
    key: object_store::path::Path,
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Object({})", self.key)
    }
}

/// An object that was found.
pub(super) struct Found {
    /// `s3://BUCKET/KEY`.
    pub(super) url: String,
    /// Its size.
    pub(super) bytes: u64,
    pub(super) object: Object,
}

impl Object {
    /// The whole object.
    pub(super) fn read(&self) -> io::Result<Bytes> {
        let Bucket { store, runtime } = &*self.bucket;
        runtime.block_on(async { store.get(&self.key).await?.bytes().await }).map_err(plain)
    }

    /// The first bytes, fewer if the object is shorter.
    pub(super) fn first(&self, bytes: u64) -> io::Result<Bytes> {
        let Bucket { store, runtime } = &*self.bucket;
        runtime.block_on(store.get_range(&self.key, 0..bytes)).map_err(plain)
    }
}

/// What a listing comes to.
#[derive(Default)]
pub(super) struct Listed {
    pub(super) objects: Vec<Found>,
    /// The URLs of objects that cannot be asked for, and why.
    pub(super) unnameable: Vec<(String, String)>,
}

/// How many keys are listed at once where one of a page cannot be told, down to that one.
const FEWER: usize = 32;

/// Why some objects cannot be asked for.
const UNNAMEABLE: &str =
    "its key has an empty part (`//`), `.` or `..` as a part, or control characters, and cannot be asked for: copy it to another key";
const SAME_BUT_SLASH: &str = "another object has this key but for a slash before or after it: copy it to another key";

/// The objects whose URL begins with `url`.
///
/// # Errors
/// [`Error::Usage`] for a URL without a bucket and settings that cannot be used, [`Error::Io`] if the bucket cannot be
/// listed.
pub(super) fn list(url: &str, reading: &Reading) -> Result<Listed> {
    let failed = |error| Error::io("list", Path::new(url), error);
    let (name, prefix) = url.strip_prefix("s3://").map(|rest| rest.split_once('/').unwrap_or((rest, ""))).unwrap_or_default();
    let bucket = Arc::new(Bucket::open(url, name, reading)?);
    let mut listed = Listed::default();
    let mut met = HashSet::new();
    let mut options = PaginatedListOptions::default();
    loop {
        let page = bucket.runtime.block_on(bucket.store.list_paginated(Some(prefix), options.clone()));
        let page = match page {
            Ok(page) => page,
            Err(object_store::Error::InvalidPath { source }) => {
                match (options.max_keys, key_of(&source)) {
                    (Some(1), Some(key)) => {
                        listed.unnameable.push((format!("s3://{name}/{key}"), UNNAMEABLE.to_owned()));
                        options = PaginatedListOptions { offset: Some(key), ..PaginatedListOptions::default() };
                    }
                    (Some(1), None) => return Err(failed(plain(source.into()))),
                    (most, _) => options.max_keys = Some(if most.is_none() { FEWER } else { 1 }),
                }
                continue;
            }
            Err(error) => return Err(failed(plain(error))),
        };
        for object in page.result.objects {
            let url = format!("s3://{name}/{}", object.location);
            if met.insert(url.clone()) {
                let (bytes, object) = (object.size, Object { bucket: Arc::clone(&bucket), key: object.location });
                listed.objects.push(Found { url, bytes, object });
            } else {
                listed.unnameable.push((url, SAME_BUT_SLASH.to_owned()));
            }
        }
        match page.page_token {
            None => return Ok(listed),
            page_token => options.page_token = page_token,
        }
    }
}

/// The key that a listing could not tell.
fn key_of(error: &object_store::path::Error) -> Option<String> {
    match error {
        object_store::path::Error::EmptySegment { path } | object_store::path::Error::BadSegment { path, .. } => Some(path.clone()),
        _ => None,
    }
}

impl Bucket {
    /// # Errors
    /// [`Error::Usage`] for what is no name of a bucket, and for settings that cannot be used.
    fn open(url: &str, name: &str, reading: &Reading) -> Result<Self> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if !name.contains(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(is_name) || name.contains("..") {
            return Err(Error::Usage(format!("`{url}` names no bucket: write s3://BUCKET/PREFIX, where BUCKET has no wildcards")));
        }
        // One process, one choice; a second one changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let retry = RetryConfig { max_retries: 5, retry_timeout: Duration::from_secs(600), ..RetryConfig::default() };
        let mut builder = AmazonS3Builder::new().with_bucket_name(name).with_retry(retry);
        // A large object may take as long as it takes, as long as something comes.
        for (key, time) in [(ClientConfigKey::Timeout, "24h"), (ClientConfigKey::ReadTimeout, "30s")] {
            builder = builder.with_config(AmazonS3ConfigKey::Client(key), time);
        }
        for (setting, value) in reading.settings.iter().filter(|(setting, _)| setting.starts_with(PREFIX)) {
            let key = setting.to_ascii_lowercase().parse::<AmazonS3ConfigKey>().ok();
            // Files that settings are read from end with a line break.
            let value = value.trim();
            if let Some(key) = key.filter(|key| !value.is_empty() && !matches!(key, AmazonS3ConfigKey::Bucket)) {
                let is_endpoint = matches!(key, AmazonS3ConfigKey::Endpoint | AmazonS3ConfigKey::S3Endpoint);
                check(setting, value, is_endpoint)?;
                if is_endpoint && value.starts_with("http://") {
                    builder = builder.with_config(AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp), "true");
                }
                builder = builder.with_config(key, value);
            }
        }
        let store = builder.build();
        let store = store.map_err(|error| Error::Usage(format!("`{url}` cannot be read with the settings of the environment: {error}")))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self { store, runtime: runtime.map_err(|error| Error::io("list", Path::new(url), error))? })
    }
}

/// Checks what could not stand in a request: the library would end the program.
///
/// # Errors
/// [`Error::Usage`].
fn check(setting: &str, value: &str, is_endpoint: bool) -> Result<()> {
    if value.chars().any(|c| c.is_control() || !c.is_ascii()) {
        return Err(Error::Usage(format!("{setting} has characters in it that cannot be sent: set it again")));
    }
    if !is_endpoint {
        return Ok(());
    }
    match reqwest::Url::parse(value).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
        Some(url) if url.username().is_empty() && url.password().is_none() => Ok(()),
        Some(_) => Err(Error::Usage(format!("{setting} has a user in it: {ENVIRONMENT}"))),
        None => Err(Error::Usage(format!("{setting} is `{value}`, and not a URL as `http://localhost:9000`"))),
    }
}

/// Where the settings of a bucket come from.
const ENVIRONMENT: &str = "credentials, region and endpoint are taken from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION and AWS_ENDPOINT_URL";

/// How much is told of what a server answered.
const LONGEST: usize = 300;

/// In one line, without what differs from one time to the next: what a server answered may have many lines, and is XML.
fn plain(error: object_store::Error) -> io::Error {
    let kind = match error {
        object_store::Error::NotFound { .. } => io::ErrorKind::NotFound,
        _ => io::ErrorKind::Other,
    };
    let text = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    // `Error performing GET URL in 43.64ms - ...`
    let text = match text.split_once("Error performing ").and_then(|(_, rest)| rest.split_once(" - ")) {
        Some((_, why)) => why,
        None => &text,
    };
    let element = |name: &str| {
        let (_, after) = text.split_once(&format!("<{name}>"))?;
        after.split_once(&format!("</{name}>")).map(|(inner, _)| inner)
    };
    let status = text.split_once('<').map_or(text, |(status, _)| status).trim_end_matches([':', ' ']);
    let mut told = match (element("Code"), element("Message")) {
        (Some(code), Some(message)) => format!("{status}: {code}: {message}"),
        (Some(code), None) => format!("{status}: {code}"),
        _ => text.to_owned(),
    };
    if told.len() > LONGEST {
        told.truncate(told.floor_char_boundary(LONGEST));
        told.push_str("...");
    }
    let is_about = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if is_about(&["InvalidObjectState"]) {
        told.push_str("; it is archived: restore it first");
    } else if is_about(&["301 ", "AuthorizationHeaderMalformed", "PermanentRedirect"]) {
        told.push_str("; the bucket is in another region: set AWS_REGION to it");
    } else if is_about(&["401 ", "403 ", "169.254.169.254", "redential"]) {
        told.push_str(&format!("; {ENVIRONMENT}; profiles are not read"));
    }
    io::Error::new(kind, told)
}
