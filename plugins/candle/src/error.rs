//! Errors with the category that Akin shows.

use crate::abi;

#[derive(Debug)]
pub struct Error {
    pub code: i32,
    pub message: String,
}

pub type Result<T> = std::result::Result<T, Error>;

pub fn invalid_model(message: impl Into<String>) -> Error {
    Error {
        code: abi::INVALID_MODEL,
        message: message.into(),
    }
}

pub fn unsupported_model(message: impl Into<String>) -> Error {
    Error {
        code: abi::UNSUPPORTED_MODEL,
        message: message.into(),
    }
}

/// What Candle says while it computes is no fault of the caller's.
impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        Error {
            code: abi::INTERNAL,
            message: error.to_string(),
        }
    }
}
