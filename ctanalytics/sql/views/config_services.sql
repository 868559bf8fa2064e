-- Services whose name in a type of AWS Config (AWS::StepFunctions::StateMachine) is not that of their
-- calls (states.amazonaws.com), and those whose resources belong to no region.
-- grain:  config_service
-- reads:  nothing
-- units:  event_source: without .amazonaws.com
select
    config_service,
    event_source,
    is_global
from (
    values
        ('ACMPCA', 'acm-pca', false),
        ('AccessAnalyzer', 'access-analyzer', false),
        ('ApiGatewayV2', 'apigateway', false),
        ('AppRunner', 'apprunner', false),
        ('CertificateManager', 'acm', false),
        ('CloudFront', 'cloudfront', true),
        ('CloudWatch', 'monitoring', false),
        ('Cognito', 'cognito-idp', false),
        ('DAX', 'dax', false),
        ('EFS', 'elasticfilesystem', false),
        ('ElasticLoadBalancingV2', 'elasticloadbalancing', false),
        ('Elasticsearch', 'es', false),
        ('EMR', 'elasticmapreduce', false),
        ('IAM', 'iam', true),
        ('KinesisFirehose', 'firehose', false),
        ('MSK', 'kafka', false),
        ('NetworkFirewall', 'network-firewall', false),
        ('OpenSearch', 'es', false),
        ('OpenSearchService', 'es', false),
        ('Route53', 'route53', true),
        ('S3', 's3', true),
        ('SES', 'ses', false),
        ('StepFunctions', 'states', false),
        ('WAF', 'waf', true),
        ('WAFRegional', 'waf-regional', false)
) as services (config_service, event_source, is_global)
