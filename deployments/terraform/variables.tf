variable "project" {
  description = "The Google Cloud project's id. It exists, and has billing."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "Give the project's id, not its name or number: 6 to 30 lower-case letters, digits and hyphens, as in my-project-1234."
  }
}

variable "region" {
  description = "Where the worker, its jobs, the image and Postgres are. Inside of var.location, or reading the lake costs transfer."
  type        = string
  default     = "us-east4"

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "Give a region, as in us-east4 or europe-west1, not a zone."
  }

  # London and Zurich are outside of the multi-region EU.
  validation {
    condition = (
      var.location == "US" ? startswith(var.region, "us-") :
      var.location == "EU" ? startswith(var.region, "europe-") && !contains(["europe-west2", "europe-west6"], var.region) :
      var.region == var.location
    )
    error_message = "${var.region} is not in ${var.location}: give a region us-… for the location US, europe-… (not europe-west2 or europe-west6) for EU, else the location itself."
  }
}

variable "location" {
  description = "Where bucket and dataset are, both: a region or a multi-region (US, EU). BigQuery loads only from its own location."
  type        = string
  default     = "US"

  validation {
    condition     = can(regex("^(US|EU|[a-z]+-[a-z]+[0-9]+)$", var.location))
    error_message = "Give US, EU or a region, as in europe-west1."
  }
}

variable "labels" {
  description = "Labels on everything that can have them, for the bill."
  type        = map(string)
  default     = { application = "nyc-taxi-flows" }
}

variable "bucket" {
  description = "The name of the lake's bucket, unique in the world. None: <project>-tlc-lake."
  type        = string
  default     = null
}

variable "dataset" {
  description = "The BigQuery dataset's name."
  type        = string
  default     = "tlc"

  validation {
    condition     = can(regex("^[A-Za-z0-9_]+$", var.dataset))
    error_message = "A dataset's name has letters, digits and underscores only."
  }
}

variable "lake_soft_delete_days" {
  description = "Days for which replaced and removed objects can be restored, and are billed. 0 or 7 to 90."
  type        = number
  default     = 7

  validation {
    condition     = var.lake_soft_delete_days == 0 || (var.lake_soft_delete_days >= 7 && var.lake_soft_delete_days <= 90)
    error_message = "Give 0 (off) or 7 to 90 days: Cloud Storage takes nothing between."
  }
}

variable "lake_rejected_days" {
  description = "Days after which files of rejected rows are deleted; loading the month again makes them anew. None keeps them."
  type        = number
  default     = null
  nullable    = true

  validation {
    condition     = var.lake_rejected_days == null ? true : var.lake_rejected_days >= 1
    error_message = "Give 1 day or more, or null."
  }
}

variable "keep_data" {
  description = "Refuse to destroy bucket, dataset, database and services that hold or serve data. Set to false and apply before terraform destroy."
  type        = bool
  default     = true
}

variable "image_tag" {
  description = "The tag of the image nyc-taxi-flows in this configuration's registry, another for each version: docs/google-cloud.md says how it gets there."
  type        = string
}

variable "prefect_api_url" {
  description = "The API of the Prefect server or of a Prefect Cloud workspace, as in https://prefect.example.org/api. None only with var.server."
  type        = string
  default     = null

  validation {
    condition     = var.prefect_api_url == null ? true : can(regex("^https://.+/api(/accounts/[0-9a-f-]+/workspaces/[0-9a-f-]+)?$", var.prefect_api_url))
    error_message = "Give an https URL that ends with /api, or with /api/accounts/…/workspaces/… for Prefect Cloud."
  }

  validation {
    condition     = (var.prefect_api_url == null) == var.server
    error_message = "Give prefect_api_url, or set server = true to run a server here; not both."
  }
}

variable "prefect_credential" {
  description = "What the worker shows to the API: user:password of a server, or the API key (pnu_…, pnb_…) of Prefect Cloud. Not kept in the state."
  type        = string
  sensitive   = true
  ephemeral   = true

  validation {
    condition     = can(regex(local.is_prefect_cloud ? "^pn[a-z]_[0-9A-Za-z]{20,}$" : "^[^:]+:.{16,}$", var.prefect_credential))
    error_message = local.is_prefect_cloud ? "Prefect Cloud takes an API key, as in pnu_ and 36 letters and digits." : "A server of one's own takes user:password, with a password of at least 16 characters."
  }
}

variable "secrets_version" {
  description = "Raise it by one to write var.prefect_credential, and new passwords of the database, anew."
  type        = number
  default     = 1
}

variable "work_pool" {
  description = "The work pool that the worker polls, of the type cloud-run-v2."
  type        = string
  default     = "tlc-cloud-run"
}

variable "worker_limit" {
  description = "Flow runs, and so Cloud Run jobs, at once."
  type        = number
  default     = 4

  validation {
    condition     = var.worker_limit >= 1 && var.worker_limit <= 100
    error_message = "Give 1 to 100."
  }
}

variable "job_memory" {
  description = "The memory of a flow run's job, for the downloaded file too: 4Gi for the largest months, 2Gi for green and fhv."
  type        = string
  default     = "4Gi"

  validation {
    condition     = can(regex("^[0-9]+(G|Gi|M|Mi)$", var.job_memory))
    error_message = "Give a quantity as Cloud Run takes it, as in 4Gi."
  }
}

variable "postgres" {
  description = "Make a Cloud SQL Postgres for the leg api_to_postgres. It is what costs most here."
  type        = bool
  default     = false
}

variable "postgres_tier" {
  description = "The machine of Cloud SQL: db-custom-<CPUs>-<MB of memory>, or a shared db-f1-micro to try."
  type        = string
  default     = "db-custom-2-7680"
}

variable "postgres_disk_gb" {
  description = "The disk at the start; it grows by itself. A yellow trip takes 170 bytes there."
  type        = number
  default     = 50

  validation {
    condition     = var.postgres_disk_gb >= 10
    error_message = "Cloud SQL takes 10 GB or more."
  }
}

variable "server" {
  description = "Run a Prefect server here too, on Cloud Run, with its database in the Cloud SQL instance (so it needs var.postgres)."
  type        = bool
  default     = false

  validation {
    condition     = !var.server || var.postgres
    error_message = "The server keeps its database in Cloud SQL: set postgres = true too."
  }
}

variable "budget" {
  description = "Mail the billing account's administrators when the project's costs of a month reach half of the amount, nine tenths, all of it. The amount is in the account's currency. None: no mail."
  type        = object({ billing_account = string, amount = number })
  default     = null

  validation {
    condition     = var.budget == null ? true : can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.budget.billing_account)) && var.budget.amount >= 1
    error_message = "Give the billing account's id, as in 012345-6789AB-CDEF01 (gcloud billing accounts list), and an amount of 1 or more."
  }
}
