# All that can be made, for checkov: what is not made by default is checked too.
project  = "my-project-1234"
postgres = true
server   = true
