"""What a report says (`sections`), and the three forms it takes (`render`)."""
