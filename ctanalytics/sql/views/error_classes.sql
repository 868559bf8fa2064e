-- What kind of error a code is, where that is known for sure: denied (a permission was missing),
-- throttled (asked too fast), benign (asked for a rehearsal, or for a setting that nobody made).
-- Any other code has no row and counts as a plain error.
-- grain:  error_code
-- reads:  nothing; the list is here
-- units:  error_class: denied, throttled, benign
select
    known.error_code,
    known.error_class
from (
    values
        ('AccessDenied', 'denied'),
        ('AccessDeniedException', 'denied'),
        ('AccessDeniedFault', 'denied'),
        ('AuthorizationError', 'denied'),
        ('AuthorizationErrorException', 'denied'),
        ('AuthFailure', 'denied'),
        ('Client.AuthFailure', 'denied'),
        ('Client.UnauthorizedOperation', 'denied'),
        ('Forbidden', 'denied'),
        ('ForbiddenException', 'denied'),
        ('InsufficientPrivilegesException', 'denied'),
        ('KMS.AccessDeniedException', 'denied'),
        ('NotAuthorized', 'denied'),
        ('NotAuthorizedException', 'denied'),
        ('UnauthorizedException', 'denied'),
        ('UnauthorizedOperation', 'denied'),
        ('VpceAccessDenied', 'denied'),
        ('BandwidthLimitExceeded', 'throttled'),
        ('Client.RequestLimitExceeded', 'throttled'),
        ('PriorRequestNotComplete', 'throttled'),
        ('ProvisionedThroughputExceededException', 'throttled'),
        ('RequestLimitExceeded', 'throttled'),
        ('RequestThrottled', 'throttled'),
        ('RequestThrottledException', 'throttled'),
        ('SlowDown', 'throttled'),
        ('ThrottledException', 'throttled'),
        ('Throttling', 'throttled'),
        ('ThrottlingException', 'throttled'),
        ('TooManyRequestsException', 'throttled'),
        ('TransactionInProgressException', 'throttled'),
        ('Client.DryRunOperation', 'benign'),
        ('DryRunOperation', 'benign'),
        ('NoSuchBucketPolicy', 'benign'),
        ('NoSuchCORSConfiguration', 'benign'),
        ('NoSuchLifecycleConfiguration', 'benign'),
        ('NoSuchPublicAccessBlockConfiguration', 'benign'),
        ('NoSuchTagSet', 'benign'),
        ('NoSuchWebsiteConfiguration', 'benign'),
        ('ObjectLockConfigurationNotFoundError', 'benign'),
        ('ReplicationConfigurationNotFoundError', 'benign'),
        ('ServerSideEncryptionConfigurationNotFoundError', 'benign')
) as known (error_code, error_class)
