/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of webhooks and of their deliveries. */
#include "base/mem.h"
#include "store/item.h"
#include "store/row.h"

static const struct store_column webhook_columns[] = {
	STORE_COLUMN(store_webhook, id, TEXT),
	STORE_COLUMN(store_webhook, definition, OWNED),
	STORE_COLUMN(store_webhook, disabled, TEXT),
	STORE_COLUMN(store_webhook, created_by, TEXT),
	STORE_COLUMN(store_webhook, number, UINT),
	STORE_COLUMN(store_webhook, created_ms, INT),
	STORE_COLUMN(store_webhook, updated_ms, INT),
};
static const struct store_table webhook_table = { "webhook", webhook_columns,
						  ARRAY_LEN(webhook_columns),
						  sizeof(struct store_webhook) };

void store_webhook_fini(struct store_webhook *webhook)
{
	store_row_fini(&webhook_table, webhook);
}

static const char *webhook_state(const void *row)
{
	return ((const struct store_webhook *)row)->disabled[0] ? "disabled" : "enabled";
}

const struct store_rows store_webhook_rows = {
	.name = "webhook",
	.table = &webhook_table,
	.state = webhook_state,
	.write = "write a webhook",
	.delete = "delete a webhook",
	.read = "read the webhooks",
	.at_start = "ORDER BY created_ms, id",
};

static const struct store_column delivery_columns[] = {
	STORE_COLUMN(store_delivery, id, TEXT),
	STORE_COLUMN(store_delivery, webhook, TEXT),
	STORE_COLUMN(store_delivery, number, UINT),
	STORE_COLUMN(store_delivery, state, TEXT),
	STORE_COLUMN(store_delivery, type, TEXT),
	STORE_COLUMN(store_delivery, body, OWNED),
	STORE_COLUMN(store_delivery, tries, UINT),
	STORE_COLUMN(store_delivery, status, INT),
	STORE_COLUMN(store_delivery, error, TEXT),
	STORE_COLUMN(store_delivery, created_ms, INT),
	STORE_COLUMN(store_delivery, expires_ms, INT),
	STORE_COLUMN(store_delivery, tried_ms, INT),
	STORE_COLUMN(store_delivery, retry_ms, INT),
};
static const struct store_table delivery_table = { "delivery", delivery_columns,
						   ARRAY_LEN(delivery_columns),
						   sizeof(struct store_delivery) };

void store_delivery_fini(struct store_delivery *delivery)
{
	store_row_fini(&delivery_table, delivery);
}

static const char *delivery_state(const void *row)
{
	return ((const struct store_delivery *)row)->state;
}

const struct store_rows store_delivery_rows = {
	.name = "delivery",
	.table = &delivery_table,
	.state = delivery_state,
	.write = "write a delivery",
	.delete = "delete a delivery",
	.read = "read the deliveries",
	.at_start = "ORDER BY webhook, number",
};
