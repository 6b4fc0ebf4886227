"""What is checked of deployments/terraform without the cloud: names, types, references, plans."""
