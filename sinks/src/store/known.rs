//! The options there are, kind by kind, with the names that the client library and the providers' SDKs have for them.

/// One option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionSpec {
    /// The name in the configuration.
    pub name: &'static str,
    /// Other names for it.
    pub aliases: &'static [&'static str],
    /// The name that the client library knows it by; empty if it is handled here.
    pub key: &'static str,
    /// Whether it belongs to the credentials.
    pub credential: bool,
    /// What it means, for help texts.
    pub about: &'static str,
}

const fn setting(
    name: &'static str,
    aliases: &'static [&'static str],
    key: &'static str,
    about: &'static str,
) -> OptionSpec {
    OptionSpec {
        name,
        aliases,
        key,
        credential: false,
        about,
    }
}

const fn credential(
    name: &'static str,
    aliases: &'static [&'static str],
    key: &'static str,
    about: &'static str,
) -> OptionSpec {
    OptionSpec {
        name,
        aliases,
        key,
        credential: true,
        about,
    }
}

/// `fsync`: handled here.
pub const FSYNC: &str = "fsync";
/// `path_style`: handled here, the library's key says the opposite.
pub const PATH_STYLE: &str = "path_style";
/// `ca_certificate`: handled here.
pub const CA_CERTIFICATE: &str = "ca_certificate";

pub(super) const LOCAL: &[OptionSpec] = &[setting(
    FSYNC,
    &[],
    "",
    "whether files are synced to disk before they count as written (default true)",
)];

pub(super) const HTTP: &[OptionSpec] = &[
    setting(
        "allow_http",
        &[],
        "allow_http",
        "allow plain HTTP (implied by an endpoint that starts with http://)",
    ),
    setting(
        "allow_invalid_certificates",
        &[],
        "allow_invalid_certificates",
        "do not check the server's certificate",
    ),
    setting(
        CA_CERTIFICATE,
        &[],
        "",
        "a PEM file with further certificate authorities",
    ),
    setting(
        "connect_timeout",
        &[],
        "connect_timeout",
        "time to connect (default 5s)",
    ),
    setting(
        "timeout",
        &[],
        "timeout",
        "time for one request with its body (default 60s)",
    ),
    setting("proxy_url", &["proxy"], "proxy_url", "an HTTP proxy"),
    setting(
        "proxy_ca_certificate",
        &[],
        "proxy_ca_certificate",
        "the proxy's certificate authority, PEM",
    ),
    setting(
        "proxy_excludes",
        &[],
        "proxy_excludes",
        "hosts that are reached without the proxy",
    ),
    setting("user_agent", &[], "user_agent", "the User-Agent header"),
];

pub(super) const GCS: &[OptionSpec] = &[
    credential(
        "service_account",
        &[
            "service_account_path",
            "google_service_account",
            "google_service_account_path",
        ],
        "google_service_account",
        "path of a service account's JSON key",
    ),
    credential(
        "service_account_key",
        &["google_service_account_key"],
        "google_service_account_key",
        "a service account's JSON key itself",
    ),
    credential(
        "application_credentials",
        &["google_application_credentials"],
        "google_application_credentials",
        "path of application default credentials",
    ),
    credential(
        "bearer_token",
        &["google_bearer_token", "token"],
        "google_bearer_token",
        "a fixed OAuth token",
    ),
    credential(
        "skip_signature",
        &["google_skip_signature"],
        "google_skip_signature",
        "send no credentials",
    ),
    setting(
        "endpoint",
        &["base_url", "google_base_url"],
        "google_base_url",
        "another server that speaks GCS",
    ),
];

pub(super) const S3: &[OptionSpec] = &[
    credential(
        "access_key_id",
        &["aws_access_key_id"],
        "aws_access_key_id",
        "access key",
    ),
    credential(
        "secret_access_key",
        &["aws_secret_access_key"],
        "aws_secret_access_key",
        "secret key",
    ),
    credential(
        "session_token",
        &["aws_session_token", "token"],
        "aws_session_token",
        "session token",
    ),
    credential(
        "role_arn",
        &["aws_role_arn"],
        "aws_role_arn",
        "role to assume with a web identity",
    ),
    credential(
        "role_session_name",
        &["aws_role_session_name"],
        "aws_role_session_name",
        "name of that session",
    ),
    credential(
        "web_identity_token_file",
        &["aws_web_identity_token_file"],
        "aws_web_identity_token_file",
        "path of the web identity's token",
    ),
    credential(
        "container_credentials_relative_uri",
        &["aws_container_credentials_relative_uri"],
        "aws_container_credentials_relative_uri",
        "where an ECS task gets its credentials",
    ),
    credential(
        "container_credentials_full_uri",
        &["aws_container_credentials_full_uri"],
        "aws_container_credentials_full_uri",
        "where an EKS pod gets its credentials",
    ),
    credential(
        "container_authorization_token_file",
        &["aws_container_authorization_token_file"],
        "aws_container_authorization_token_file",
        "path of the token for it",
    ),
    credential(
        "imdsv1_fallback",
        &["aws_imdsv1_fallback"],
        "aws_imdsv1_fallback",
        "allow the old metadata service",
    ),
    credential(
        "metadata_endpoint",
        &["aws_metadata_endpoint"],
        "aws_metadata_endpoint",
        "the metadata service",
    ),
    credential(
        "endpoint_url_sts",
        &["aws_endpoint_url_sts"],
        "aws_endpoint_url_sts",
        "the token service",
    ),
    credential(
        "skip_signature",
        &["aws_skip_signature"],
        "aws_skip_signature",
        "send no credentials",
    ),
    setting(
        "region",
        &["aws_region", "default_region", "aws_default_region"],
        "aws_region",
        "region",
    ),
    setting(
        "endpoint",
        &[
            "endpoint_url",
            "aws_endpoint",
            "aws_endpoint_url",
            "aws_endpoint_url_s3",
        ],
        "aws_endpoint_url",
        "another server that speaks S3",
    ),
    setting(
        PATH_STYLE,
        &["force_path_style"],
        "",
        "bucket in the path, not in the host (default with an endpoint)",
    ),
    setting(
        "virtual_hosted_style_request",
        &["aws_virtual_hosted_style_request"],
        "aws_virtual_hosted_style_request",
        "bucket in the host",
    ),
    setting(
        "conditional_put",
        &["aws_conditional_put"],
        "aws_conditional_put",
        "`etag` (default)",
    ),
    setting(
        "checksum_algorithm",
        &["aws_checksum_algorithm"],
        "aws_checksum_algorithm",
        "`sha256`, `crc64nvme`",
    ),
    setting(
        "unsigned_payload",
        &["aws_unsigned_payload"],
        "aws_unsigned_payload",
        "do not sign bodies",
    ),
    setting(
        "disable_bulk_delete",
        &["aws_disable_bulk_delete"],
        "aws_disable_bulk_delete",
        "delete one by one",
    ),
    setting(
        "disable_tagging",
        &["aws_disable_tagging"],
        "aws_disable_tagging",
        "send no tags",
    ),
    setting(
        "request_payer",
        &["aws_request_payer"],
        "aws_request_payer",
        "the requester pays",
    ),
    setting(
        "s3_express",
        &["aws_s3_express"],
        "aws_s3_express",
        "S3 Express One Zone",
    ),
    setting(
        "server_side_encryption",
        &["sse", "aws_server_side_encryption"],
        "aws_server_side_encryption",
        "`AES256`, `aws:kms`, `aws:kms:dsse`, `sse-c`",
    ),
    setting(
        "sse_kms_key_id",
        &["aws_sse_kms_key_id"],
        "aws_sse_kms_key_id",
        "key of `aws:kms`",
    ),
    setting(
        "sse_bucket_key_enabled",
        &["aws_sse_bucket_key_enabled"],
        "aws_sse_bucket_key_enabled",
        "bucket key",
    ),
    credential(
        "sse_customer_key_base64",
        &["aws_sse_customer_key_base64"],
        "aws_sse_customer_key_base64",
        "key of `sse-c`",
    ),
];

pub(super) const AZURE: &[OptionSpec] = &[
    setting(
        "account_name",
        &["account", "azure_storage_account_name"],
        "azure_storage_account_name",
        "storage account (if the address does not name it)",
    ),
    credential(
        "account_key",
        &[
            "access_key",
            "key",
            "master_key",
            "azure_storage_account_key",
            "azure_storage_access_key",
        ],
        "azure_storage_account_key",
        "the account's key",
    ),
    credential(
        "sas_token",
        &["sas_key", "azure_storage_sas_token", "azure_storage_sas_key"],
        "azure_storage_sas_token",
        "shared access signature",
    ),
    credential(
        "bearer_token",
        &["token", "azure_storage_token"],
        "azure_storage_token",
        "a fixed OAuth token",
    ),
    credential(
        "client_id",
        &["azure_client_id"],
        "azure_client_id",
        "service principal, or managed identity",
    ),
    credential(
        "client_secret",
        &["azure_client_secret"],
        "azure_client_secret",
        "the service principal's secret",
    ),
    credential(
        "tenant_id",
        &["azure_tenant_id", "authority_id"],
        "azure_tenant_id",
        "tenant",
    ),
    credential(
        "authority_host",
        &["azure_authority_host"],
        "azure_authority_host",
        "login server",
    ),
    credential(
        "federated_token_file",
        &["azure_federated_token_file"],
        "azure_federated_token_file",
        "path of a workload identity's token",
    ),
    credential(
        "object_id",
        &["azure_object_id"],
        "azure_object_id",
        "managed identity by object id",
    ),
    credential(
        "msi_resource_id",
        &["azure_msi_resource_id"],
        "azure_msi_resource_id",
        "managed identity by resource",
    ),
    credential(
        "msi_endpoint",
        &["azure_msi_endpoint"],
        "azure_msi_endpoint",
        "the identity service",
    ),
    credential(
        "use_azure_cli",
        &["azure_use_azure_cli"],
        "azure_use_azure_cli",
        "ask the az command for tokens",
    ),
    credential(
        "skip_signature",
        &["azure_skip_signature"],
        "azure_skip_signature",
        "send no credentials",
    ),
    setting(
        "use_emulator",
        &["azure_storage_use_emulator"],
        "azure_storage_use_emulator",
        "talk to Azurite with its well-known account",
    ),
    setting(
        "endpoint",
        &["azure_endpoint", "azure_storage_endpoint"],
        "azure_endpoint",
        "another server",
    ),
    setting(
        "disable_tagging",
        &["azure_disable_tagging"],
        "azure_disable_tagging",
        "send no tags",
    ),
];
