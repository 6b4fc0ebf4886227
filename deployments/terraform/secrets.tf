# Values are write-only: they go to Secret Manager and are in no state or plan.

resource "google_secret_manager_secret" "prefect_credential" {
  secret_id = "tlc-prefect-credential"
  replication {
    auto {}
  }
  depends_on = [time_sleep.apis]
}

resource "google_secret_manager_secret_version" "prefect_credential" {
  secret                 = google_secret_manager_secret.prefect_credential.id
  secret_data_wo         = var.prefect_credential
  secret_data_wo_version = var.secrets_version
}

locals {
  # In each template that reads a secret: "latest" is looked up when an instance starts, and only a template that changes
  # starts new ones. Secrets that are written anew would else reach the server and the worker some day.
  secrets_annotation = { "secrets-version" = tostring(var.secrets_version) }

  is_prefect_cloud = var.prefect_api_url == null ? false : strcontains(var.prefect_api_url, "/workspaces/")
  # Prefect Cloud takes a key, a server of one's own a user and a password.
  credential_variable = local.is_prefect_cloud ? "PREFECT_API_KEY" : "PREFECT_API_AUTH_STRING"
}
