/* FreezeproofDouble: y = 2x, an op that TensorFlow does not have, by its C API alone. */

#include <stdbool.h>
#include <stddef.h>

/* TensorFlow's headers name these structs as C++ does. */
typedef struct TF_DimensionHandle TF_DimensionHandle;
typedef struct TF_OpDefinitionBuilder TF_OpDefinitionBuilder;
typedef struct TF_ShapeHandle TF_ShapeHandle;
typedef struct TF_ShapeInferenceContext TF_ShapeInferenceContext;

#include "tensorflow/c/kernels.h"
#include "tensorflow/c/ops.h"
#include "tensorflow/c/tf_status.h"
#include "tensorflow/c/tf_tensor.h"

#define MAX_RANK 8

static void same_shape(TF_ShapeInferenceContext* context, TF_Status* status) {
  TF_ShapeHandle* shape = TF_NewShapeHandle();
  TF_ShapeInferenceContextGetInput(context, 0, shape, status);
  TF_ShapeInferenceContextSetOutput(context, 0, shape, status);
  TF_DeleteShapeHandle(shape);
}

static void compute(void* kernel, TF_OpKernelContext* context) {
  (void)kernel;
  TF_Status* status = TF_NewStatus();
  TF_Tensor* input = NULL;
  TF_GetInput(context, 0, &input, status);
  int64_t sizes[MAX_RANK];
  const int rank = TF_NumDims(input);
  for (int i = 0; i < rank && i < MAX_RANK; ++i) sizes[i] = TF_Dim(input, i);
  const size_t bytes = TF_TensorByteSize(input);
  TF_Tensor* output = TF_AllocateOutput(context, 0, TF_FLOAT, sizes, rank, bytes, status);
  const float* from = (const float*)TF_TensorData(input);
  float* to = (float*)TF_TensorData(output);
  for (size_t i = 0; i < bytes / sizeof(float); ++i) to[i] = 2 * from[i];
  TF_DeleteTensor(input);
  TF_DeleteTensor(output);
  TF_DeleteStatus(status);
}

__attribute__((constructor)) static void register_double(void) {
  TF_Status* status = TF_NewStatus();
  TF_OpDefinitionBuilder* op = TF_NewOpDefinitionBuilder("FreezeproofDouble");
  TF_OpDefinitionBuilderAddInput(op, "x: float");
  TF_OpDefinitionBuilderAddOutput(op, "y: float");
  TF_OpDefinitionBuilderSetShapeInferenceFunction(op, same_shape);
  TF_RegisterOpDefinition(op, status);
  TF_KernelBuilder* kernel =
      TF_NewKernelBuilder("FreezeproofDouble", "CPU", NULL, compute, NULL);
  TF_RegisterKernelBuilder("FreezeproofDouble", kernel, status);
  TF_DeleteStatus(status);
}
