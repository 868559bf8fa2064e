"""Deploy: CloudFormation templates and the nightly job's files, filled in and ready to use."""
