# Cloud SQL, where var.postgres asks for it: for the trips and, with var.server, for Prefect's own database.

locals {
  # Who logs in where. tlc is a flow run, tlc_reader a person who only reads, as in the compose file.
  logins = merge(
    var.postgres ? {
      tlc        = { database = "tlc", scheme = "postgresql" }
      tlc_reader = { database = "tlc", scheme = "postgresql" }
    } : {},
    var.postgres && var.server ? { prefect = { database = "prefect", scheme = "postgresql+asyncpg" } } : {},
  )
}

resource "google_sql_database_instance" "postgres" {
  #checkov:skip=CKV_GCP_60:no network is authorized, so the address answers only to the Cloud SQL connectors, which ask IAM first; a private one would need a VPC
  #checkov:skip=CKV_GCP_79:17 is a current major version; a later one is an upgrade with its own plan
  count               = var.postgres ? 1 : 0
  name                = "tlc"
  database_version    = "POSTGRES_17"
  region              = var.region
  deletion_protection = var.keep_data

  settings {
    tier                        = var.postgres_tier
    edition                     = "ENTERPRISE"
    availability_type           = "ZONAL"
    disk_type                   = "PD_SSD"
    disk_size                   = var.postgres_disk_gb
    disk_autoresize             = true
    deletion_protection_enabled = var.keep_data
    user_labels                 = var.labels

    ip_configuration {
      ipv4_enabled = true
      ssl_mode     = "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"
    }

    backup_configuration {
      enabled                        = true
      point_in_time_recovery_enabled = true
      backup_retention_settings {
        retained_backups = 7
      }
    }

    # What an audit asks for; none of it slows a COPY.
    database_flags {
      name  = "cloudsql.enable_pgaudit"
      value = "on"
    }
    database_flags {
      name  = "log_checkpoints"
      value = "on"
    }
    database_flags {
      name  = "log_connections"
      value = "on"
    }
    database_flags {
      name  = "log_disconnections"
      value = "on"
    }
    database_flags {
      name  = "log_duration"
      value = "on"
    }
    database_flags {
      name  = "log_hostname"
      value = "on"
    }
    database_flags {
      name  = "log_lock_waits"
      value = "on"
    }
    database_flags {
      name  = "log_min_duration_statement"
      value = "-1" # statements may hold values
    }
    database_flags {
      name  = "log_min_error_statement"
      value = "error"
    }
    database_flags {
      name  = "log_min_messages"
      value = "error"
    }
    database_flags {
      name  = "log_statement"
      value = "ddl"
    }
    database_flags {
      name  = "log_temp_files"
      value = "0"
    }
    database_flags {
      name  = "max_wal_size"
      value = "4096" # MB: a month is one long COPY, with few checkpoints
    }
  }

  depends_on = [time_sleep.apis]
}

# Databases and users end with the instance: Postgres drops no user that owns tables, and no database that is in use.
resource "google_sql_database" "databases" {
  for_each        = toset(values(local.logins)[*].database)
  name            = each.key
  instance        = one(google_sql_database_instance.postgres[*].name)
  deletion_policy = "ABANDON"
}

ephemeral "random_password" "database" {
  for_each = local.logins
  length   = 42
  special  = false # it stands in a URL
}

# The server's user alone. A user that is made here owns every database (it is a member of cloudsqlsuperuser), which a
# flow run must not: roles.sh makes the others.
resource "google_sql_user" "prefect" {
  count               = var.server ? 1 : 0
  name                = "prefect"
  instance            = google_sql_database_instance.postgres[0].name
  password_wo         = ephemeral.random_password.database["prefect"].result
  password_wo_version = var.secrets_version
  deletion_policy     = "ABANDON"
}

# The URLs, over the socket that Cloud Run and the Cloud SQL proxy make.
resource "google_secret_manager_secret" "database_url" {
  for_each  = local.logins
  secret_id = "${replace(each.key, "_", "-")}-postgres-url"
  replication {
    auto {}
  }
  depends_on = [time_sleep.apis]
}

locals {
  postgres_instance = one(google_sql_database_instance.postgres[*].connection_name)
}

resource "google_secret_manager_secret_version" "database_url" {
  for_each               = local.logins
  secret                 = google_secret_manager_secret.database_url[each.key].id
  secret_data_wo         = "${each.value.scheme}://${each.key}:${ephemeral.random_password.database[each.key].result}@/${each.value.database}?host=/cloudsql/${local.postgres_instance}"
  secret_data_wo_version = var.secrets_version
}

# A flow run reaches the instance; that it may log in, its password says.
resource "google_project_iam_member" "flow_postgres" {
  count   = var.postgres ? 1 : 0
  project = var.project
  role    = "roles/cloudsql.client"
  member  = google_service_account.flow.member
}
