//! Where the columns are in a row.

pub(super) mod trace {
    use tracemill_model::Table::Traces as T;

    use crate::synth::row::at;

    pub(crate) const ID: usize = at(T, "id");
    pub(crate) const ENVIRONMENT: usize = at(T, "environment");
    pub(crate) const NAME: usize = at(T, "name");
    pub(crate) const USER: usize = at(T, "user_id");
    pub(crate) const SESSION: usize = at(T, "session_id");
    pub(crate) const RELEASE: usize = at(T, "release");
    pub(crate) const VERSION: usize = at(T, "version");
    pub(crate) const PUBLIC: usize = at(T, "public");
    pub(crate) const TAGS: usize = at(T, "tags");
    pub(crate) const METADATA: usize = at(T, "metadata");
    pub(crate) const INPUT: usize = at(T, "input");
    pub(crate) const OUTPUT: usize = at(T, "output");
}

pub(super) mod observation {
    use tracemill_model::Table::Observations as T;

    use crate::synth::row::at;

    pub(crate) const ID: usize = at(T, "id");
    pub(crate) const TRACE: usize = at(T, "trace_id");
    pub(crate) const ENVIRONMENT: usize = at(T, "environment");
    pub(crate) const TYPE: usize = at(T, "type");
    pub(crate) const PARENT: usize = at(T, "parent_observation_id");
    pub(crate) const END: usize = at(T, "end_time");
    pub(crate) const NAME: usize = at(T, "name");
    pub(crate) const METADATA: usize = at(T, "metadata");
    pub(crate) const LEVEL: usize = at(T, "level");
    pub(crate) const STATUS: usize = at(T, "status_message");
    pub(crate) const VERSION: usize = at(T, "version");
    pub(crate) const INPUT: usize = at(T, "input");
    pub(crate) const OUTPUT: usize = at(T, "output");
    pub(crate) const MODEL: usize = at(T, "provided_model_name");
    pub(crate) const PARAMETERS: usize = at(T, "model_parameters");
    pub(crate) const USAGE: usize = at(T, "provided_usage_details");
    pub(crate) const COST: usize = at(T, "provided_cost_details");
    pub(crate) const COMPLETION_START: usize = at(T, "completion_start_time");
}

pub(super) mod score {
    use tracemill_model::Table::Scores as T;

    use crate::synth::row::at;

    pub(crate) const ID: usize = at(T, "id");
    pub(crate) const TRACE: usize = at(T, "trace_id");
    pub(crate) const SESSION: usize = at(T, "session_id");
    pub(crate) const OBSERVATION: usize = at(T, "observation_id");
    pub(crate) const ENVIRONMENT: usize = at(T, "environment");
    pub(crate) const NAME: usize = at(T, "name");
    pub(crate) const VALUE: usize = at(T, "value");
    pub(crate) const SOURCE: usize = at(T, "source");
    pub(crate) const COMMENT: usize = at(T, "comment");
    pub(crate) const METADATA: usize = at(T, "metadata");
    pub(crate) const STRING_VALUE: usize = at(T, "string_value");
    pub(crate) const QUEUE: usize = at(T, "queue_id");
    pub(crate) const EXECUTION: usize = at(T, "execution_trace_id");
    pub(crate) const LONG: usize = at(T, "long_string_value");
}
